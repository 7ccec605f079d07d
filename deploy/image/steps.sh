#!/bin/sh
# The steps of the image, run one by one by the Dockerfile: sh steps.sh STEP [ARGUMENT...]
# They work in any Debian root whose Python the project supports; the tests run them in a fresh one.
set -eu

here=$(dirname "$0")
tools=/opt/tools
target=/opt/skelmap
user=10001

# python: what the image needs of Debian; certificates are for `skelmap models pull`.
step_python() {
    install_debian ca-certificates python3
}

# tools: what the build needs of Debian, in the stage that is thrown away.
step_tools() {
    install_debian python3-venv
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --no-cache-dir --require-hashes --requirement "$here/build-requirements.txt"
}

# dependencies RUNTIME [EXTRAS]: the pinned libraries, each file compared with its hash.
step_dependencies() {
    lock="$here/requirements-$1${2:+-$2}.txt"
    if [ ! -f "$lock" ]; then
        echo "RUNTIME=$1 EXTRAS=${2:-} has no $lock; there are:" "$here"/requirements-*.txt >&2
        exit 2
    fi
    python3 -m venv --without-pip "$target"
    install_python --require-hashes --only-binary :all: --requirement "$lock"
    check_onnxruntime
}

# application SOURCE: ourselves, as a wheel, with no look at any index.
step_application() {
    "$tools/bin/pip" wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /tmp/wheels "$1"
    install_python --no-deps --no-index /tmp/wheels/skelmap-*.whl
    rm -r /tmp/wheels
    "$tools/bin/pip" --python "$target/bin/python" check
    check_onnxruntime
}

# user: the account that serves, and the folder that it may write.
step_user() {
    useradd --uid "$user" --user-group --no-create-home --home-dir /weights --shell /usr/sbin/nologin skelmap
    install --directory --owner "$user" --group "$user" /weights
}

install_debian() {
    apt-get update --quiet --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends "$@"
    apt-get clean
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log
}

install_python() {
    "$tools/bin/pip" --python "$target/bin/python" install --quiet --no-cache-dir "$@"
}

# The CPU and the GPU build own the same import name and overwrite each other's files.
check_onnxruntime() {
    found=$(find "$target" -maxdepth 5 -name 'onnxruntime*.dist-info' -type d | wc -l)
    if [ "$found" -ne 1 ]; then
        echo "$found builds of onnxruntime are installed; exactly one is needed" >&2
        exit 1
    fi
}

case "${1:-}" in
    python | tools | dependencies | application | user)
        step=$1
        shift
        "step_$step" "$@"
        ;;
    *)
        echo "unknown step '${1:-}'; valid: python, tools, dependencies, application, user" >&2
        exit 2
        ;;
esac
