"""deploy/monitoring and the dashboard: they ask for counters that the server has, where it gives them."""

import json
import re
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
PROMETHEUS = yaml.safe_load((DEPLOY / "monitoring/prometheus.yml").read_text())
ALERTS = yaml.safe_load((DEPLOY / "monitoring/alerts.yml").read_text())
ADAPTER = DEPLOY / "kubernetes/monitoring/prometheus-adapter.yaml"


@pytest.fixture(scope="module")
def counted() -> set[str]:
    """The names of everything that the server counts."""
    with TestClient(create_app(Settings())) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    return set(re.findall(r"^# TYPE (\w+) ", answer.text, re.MULTILINE))


def asked_for(text: str) -> set[str]:
    """The counters of ours in a query, without the endings of their parts."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bpose_\w+", text)}


def test_alerts_ask_for_what_is_counted(counted: set[str]) -> None:
    for rule in ALERTS["groups"][0]["rules"]:
        assert asked_for(rule["expr"]) <= counted | {"up"}, rule["alert"]


def test_the_autoscaler_asks_for_what_is_counted(counted: set[str]) -> None:
    queries = asked_for(ADAPTER.read_text())
    assert queries
    assert queries <= counted


def test_the_dashboard_asks_for_what_is_counted(counted: set[str]) -> None:
    dashboards = sorted((DEPLOY / "grafana").glob("*.json"))
    assert dashboards
    for dashboard in dashboards:
        assert json.loads(dashboard.read_text())["panels"]
        assert asked_for(dashboard.read_text()) <= counted


def test_prometheus_asks_the_server() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, port = target.split(":")
    assert name in COMPOSE["services"]["cpu"]["networks"]["inside"]["aliases"]
    assert port == "8000"
    assert set(COMPOSE["services"]["prometheus"]["networks"]) == {"inside"}


def test_its_files_are_where_it_looks() -> None:
    mounts = dict(
        mount.split(":")[:2] for mount in COMPOSE["services"]["prometheus"]["volumes"] if mount.startswith(".")
    )
    assert set(PROMETHEUS["rule_files"]) <= set(mounts.values())
    assert f"--config.file={mounts['./monitoring/prometheus.yml']}" in COMPOSE["services"]["prometheus"]["command"]


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    grafana = COMPOSE["services"]["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"] if mount.startswith("."))
    provisioning = DEPLOY / "monitoring/grafana"
    assert mounts["./monitoring/grafana"] == "/etc/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in COMPOSE["services"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/skelmap.yml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./grafana"]
