"""Networks that fail in every way: what the client gets, and that the server serves afterwards."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from app.settings import Settings
from pose_core.errors import DeviceLost, DeviceUnavailable
from pose_core.session import CPU, CUDA
from tests import tiny_onnx
from tests.app.scenery import PICKY, white_png
from tests.app.test_bad_requests import refusal
from tests.app.waiting import PATIENCE_S, wait_until
from tests.faults.conftest import Compute, FaultyRuntime, Running, running


def raises(text: str) -> Any:
    """Every run fails with what onnxruntime says then."""

    def fault(_compute: Compute, _rows: np.ndarray, _options: Any) -> list[np.ndarray]:
        raise RuntimeError(text)

    return fault


# ---- one run


@pytest.mark.parametrize(
    ("fault", "in_the_log"),
    [
        (raises("[ONNXRuntimeError] : 1 : FAIL : something"), "something"),
        (raises("[ONNXRuntimeError] : 11 : EP_FAIL : Non-zero status code"), "EP_FAIL"),
        (lambda compute, _rows, _options: [output[:-1] for output in compute()], "rows to a batch of"),
        (lambda compute, _rows, _options: [output * np.nan for output in compute()], "not finite"),
        (lambda compute, _rows, _options: [output + np.inf for output in compute()], "not finite"),
    ],
    ids=["raises", "execution provider fails", "one row too few", "NaN", "infinity"],
)
def test_a_run_that_gives_no_answer_is_a_500_whose_reason_the_log_has(
    server: Running, runtime: type[FaultyRuntime], fault: Any, in_the_log: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.fault = fault
    body = refusal(server.ask(), 500)
    assert body["detail"] == "the server's log has the reason under this request_id"
    assert body["request_id"] in caplog.text
    assert in_the_log in caplog.text
    runtime.fault = None
    server.still_serves()


def test_a_failed_run_makes_it_not_ready_until_the_network_answers_again(
    server: Running, runtime: type[FaultyRuntime]
) -> None:
    runtime.fault = raises("broken for a while")
    refusal(server.ask(), 500)
    answer = server.client.get("/readyz")
    assert answer.status_code == 503
    assert "broken for a while" in answer.json()["reason"]
    assert server.client.get("/livez").status_code == 200
    runtime.fault = None
    wait_until(lambda: server.client.get("/readyz").status_code == 200)  # nobody has to send anything
    server.still_serves()


@pytest.mark.parametrize("network", [tiny_onnx.picky_colour, tiny_onnx.lost_colour], ids=["raises", "NaN"])
def test_only_who_sent_what_cannot_be_digested_gets_an_error(
    settings: Settings, png: bytes, tmp_path: Path, network: Any
) -> None:
    changes = {"estimator": str(network(tmp_path / "net.onnx", PICKY)), "max_batch_delay_s": 0.2, "max_batch_size": 4}
    query = "/pose?max_people=1"
    with running(settings, png, **changes) as server, ThreadPoolExecutor(4) as pool:
        photos = [png, white_png(), png, png]
        answers = list(pool.map(lambda photo: server.client.post(query, content=photo), photos))
        assert [answer.status_code for answer in answers] == [200, 500, 200, 200]
        assert len({answer.json()["people"][0]["keypoints"][0][2] for answer in answers[::2]}) == 1
        server.still_serves()


# ---- time


def test_a_run_that_does_not_end_is_a_504_and_is_ended(
    settings: Settings, runtime: type[FaultyRuntime], png: bytes
) -> None:
    entered, stop_seen = threading.Event(), threading.Event()

    def hangs(compute: Compute, _rows: np.ndarray, options: Any) -> list[np.ndarray]:
        entered.set()
        while not options.terminate:
            stop_seen.wait(0.005)
        stop_seen.set()
        return compute()  # the real one notices the flag, too

    with running(settings, png, request_timeout_s=5) as server:
        runtime.fault = hangs
        answer = server.ask(timeout_s=0.2)
        assert refusal(answer, 504)["detail"] == "no answer within 0.2 s"
        assert entered.is_set()
        assert stop_seen.wait(PATIENCE_S)
        runtime.fault = None
        server.still_serves()


def test_an_answer_that_comes_too_late_reaches_nobody(
    settings: Settings, runtime: type[FaultyRuntime], png: bytes
) -> None:
    late = threading.Event()

    def comes_late(compute: Compute, _rows: np.ndarray, _options: Any) -> list[np.ndarray]:
        outputs = compute()
        assert late.wait(PATIENCE_S)
        return outputs

    with running(settings, png) as server:
        runtime.fault = comes_late
        refusal(server.ask(timeout_s=0.2), 504)
        runtime.fault = None
        late.set()
        server.still_serves()


# ---- memory and devices


def room_for(most: int) -> Any:
    def fault(compute: Compute, rows: np.ndarray, _options: Any) -> list[np.ndarray]:
        if len(rows) > most:
            raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4")
        return compute()

    return fault


def test_a_batch_without_memory_is_halved_and_answered(server: Running, runtime: type[FaultyRuntime]) -> None:
    assert len(server.ask().json()["people"]) == 3
    runtime.fault = room_for(2)
    runtime.rows.clear()
    assert len(server.ask().json()["people"]) == 3
    assert runtime.rows == [3, 2, 1]
    runtime.fault = None
    runtime.rows.clear()
    server.still_serves()
    assert runtime.rows == [2, 1], "the smaller batch is for good"


@pytest.mark.parametrize(
    "text",
    ["Failed to allocate memory for requested buffer", "CUDA failure 2: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"],
)
def test_no_memory_for_one_person_is_a_503(server: Running, runtime: type[FaultyRuntime], text: str) -> None:
    runtime.fault = raises(text)
    answer = server.ask()
    assert refusal(answer, 503)["detail"] == "there is no memory for figure now"
    assert answer.headers["Retry-After"] == "1"
    runtime.fault = None
    server.still_serves()


@pytest.mark.parametrize(
    "text",
    ["CUDA failure 700: an illegal memory access was encountered", "CUDA failure 719: unspecified launch failure"],
)
def test_a_lost_device_is_a_503_and_only_another_process_can_help(
    server: Running, runtime: type[FaultyRuntime], text: str
) -> None:
    runtime.fault = raises(text)
    assert refusal(server.ask(), 503)["title"] == "Unavailable"
    runtime.fault = None
    assert isinstance(server.app.state.engine.readiness.fatal, DeviceLost)
    assert server.client.get("/readyz").status_code == 503
    refusal(server.ask(), 503)
    document = {"people": [], "canvas_width": 8, "canvas_height": 6}
    assert server.client.post("/render", json=document).status_code == 200, "what needs no network goes on"


class NoCuda(FaultyRuntime):
    """What a GPU build does on a machine without a usable CUDA: it computes on the CPU, without an error.

    Attributes:
        said: what it says it computes on; None for the truth.
    """

    said: str | None = None

    def __init__(self, path: Any, options: Any, providers: list[Any], **rest: Any) -> None:
        assert providers[0][0] == CUDA or providers == [CPU]
        super().__init__(path, options, providers=[CPU], **rest)

    def get_providers(self) -> Any:
        """Changes when onnxruntime falls back at run time."""
        return [self.said] if self.said else super().get_providers()


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch, runtime: type[FaultyRuntime]) -> type[NoCuda]:
    assert runtime.fault is None
    monkeypatch.setattr(onnxruntime, "InferenceSession", NoCuda)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    return NoCuda


def test_cuda_that_would_be_the_cpu_is_refused(settings: Settings, no_cuda: type[NoCuda], png: bytes) -> None:
    assert no_cuda.said is None
    with running(settings, png, device="cuda") as server:
        answer = server.client.get("/readyz")
        assert answer.status_code == 503
        assert f"would run on {CPU}" in answer.json()["reason"]
        assert isinstance(server.app.state.engine.readiness.fatal, DeviceUnavailable)


def test_auto_takes_the_cpu_and_says_so(
    settings: Settings, no_cuda: type[NoCuda], png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert no_cuda.said is None
    with running(settings, png, device="auto") as server:
        assert server.client.get("/readyz").json()["provider"] == CPU
        assert server.ask().headers["X-Pose-Provider"] == CPU
        assert "CUDA was tried, networks run on CPUExecutionProvider" in caplog.text
        server.still_serves()


def test_cuda_that_becomes_the_cpu_while_it_serves_is_refused(
    settings: Settings, no_cuda: type[NoCuda], png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(no_cuda, "said", CUDA)
    with running(settings, png, device="cuda") as server:
        assert server.client.get("/readyz").json()["provider"] == CUDA
        assert server.ask().status_code == 200
        monkeypatch.setattr(no_cuda, "said", CPU)
        refusal(server.ask(), 503)
        assert isinstance(server.app.state.engine.readiness.fatal, DeviceUnavailable)
