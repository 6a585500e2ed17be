"""Trial components, models and endpoints deleted while others search, update and delete them, through two servers."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from jobs import new_name, pegbox
from running import RunningServer

ROUNDS = 4
ONCE = Config(retries={"total_max_attempts": 1})
GONE = {"ValidationException", "ResourceNotFound"}


def answer(call: Callable[[], Any]) -> str:
    """The code of the error that a call ends in, if any."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


def test_of_many_who_delete_something_one_does(start_server: Callable[..., RunningServer], postgres: Any) -> None:
    environment = {"PEGBOX_DATABASE_URL": postgres.database(f"deleting_{uuid.uuid4().hex[:8]}")}
    servers = [start_server(environment=environment) for _ in range(2)]
    clients = [server.client("sagemaker", config=ONCE) for server in servers for _ in range(3)]
    component, model, endpoint = new_name("component"), new_name("model"), new_name("endpoint")
    variant = {"VariantName": "v", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    arn = clients[0].create_model(ModelName=model, PrimaryContainer={"Image": "any"})[
        "ModelArn"
    ]  # for the configuration
    clients[0].create_endpoint_config(EndpointConfigName=endpoint, ProductionVariants=[variant])
    clients[0].delete_model(ModelName=model)

    def make() -> None:
        parameters = {f"p{number}-{uuid.uuid4().hex}": {"NumberValue": 1.0} for number in range(20)}
        clients[0].create_trial_component(TrialComponentName=component, Parameters=parameters)
        clients[0].create_model(ModelName=model, PrimaryContainer={"Image": "any"})
        clients[0].create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)

    together = threading.Barrier(len(clients), make, timeout=40)

    def work(number: int) -> list[dict[str, str]]:
        client, answers = clients[number], []
        deletions = {
            "component": lambda: client.delete_trial_component(TrialComponentName=component),
            "endpoint": lambda: client.delete_endpoint(EndpointName=endpoint),
            "model": lambda: client.delete_model(ModelName=model),
        }
        others = (
            lambda: client.search(Resource="ExperimentTrialComponent"),
            lambda: client.search(Resource="Model"),
            lambda: client.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{number}", "Value": "v"}]),
            lambda: client.update_trial_component(TrialComponentName=component, DisplayName="d"),
        )
        order = [*deletions, *deletions][number % 3 :][:3]
        for _ in range(ROUNDS):
            together.wait()
            beside, done = [answer(others[0])], {}
            for what in order:
                done[what] = answer(deletions[what])
                beside += [answer(other) for other in others]
            assert set(beside) <= {"done", *GONE}
            answers.append(done)
        return answers

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(work, range(len(clients))))
    for each in zip(*answers, strict=True):
        for what in ("component", "endpoint", "model"):
            told = Counter(done[what] for done in each)
            assert told.pop("done") == 1 and told.keys() <= GONE, told
    for server in servers:
        assert pegbox(server, "doctor") == "Nothing is wrong.\n"
        assert "level=error" not in server.log.read_text()
