# SPDX-License-Identifier: Apache-2.0
"""Starts a server of either kind, sends it streamed requests, and times their tokens."""
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

START_LIMIT_S = 180
REQUEST_LIMIT_S = 900
HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    """The times, in seconds, of a request's tokens since it was sent."""

    def __init__(self, times):
        self.times = times

    @property
    def first(self):
        return self.times[0]

    @property
    def decode_rate(self):
        """Tokens per second after the first token."""
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])


class Server:
    """A running server; `name` in reports. Use as a context manager."""

    def __init__(self, command, ready):
        self.port = free_port()
        self.log = tempfile.TemporaryFile("w+")
        began = time.monotonic()
        self.process = subprocess.Popen(command(self.port), stdout=self.log, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        try:
            self.await_ready(ready)
        except BaseException:
            self.close()
            raise
        self.start_time = time.monotonic() - began

    def await_ready(self, path):
        limit = time.monotonic() + START_LIMIT_S
        while True:
            if self.process.poll() is not None:
                self.log.seek(0)
                last = self.log.read().strip().splitlines()[-1:]
                raise Failure(f"{self.name} ended with {self.process.returncode}: {' '.join(last)}")
            if time.monotonic() > limit:
                raise Failure(f"{self.name} was not ready after {START_LIMIT_S} s")
            try:
                if self.get(path) == 200:
                    return
            except OSError:
                pass
            time.sleep(0.01)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def ask(self, prompt, length):
        """Sends one streamed request, greedy: a prompt of ids, and exactly `length` tokens of output."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_LIMIT_S)
        lines = []
        try:
            path, body = self.request(prompt, length)
            began = time.monotonic()
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise Failure(f"{self.name} answers {response.status}: {response.read()[:300]}")
            # Nothing is parsed while the server works.
            for line in response:
                lines.append((time.monotonic() - began, line))
        finally:
            connection.close()
        times = []
        for at, line in lines:
            if line.startswith(b"data: {"):
                times += [at] * self.tokens(self.checked(json.loads(line[6:])), len(times))
        if len(times) != length:
            raise Failure(f"{self.name} gave {len(times)} tokens of {length}")
        return Answer(times)

    def post(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_LIMIT_S)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return self.checked(json.load(connection.getresponse()))
        finally:
            connection.close()

    def checked(self, answer):
        if "error" in answer:
            raise Failure(f"{self.name}: {answer['error']['message']}")
        return answer

    def ask_together(self, prompts, length):
        """Sends the prompts at once, each by a client of its own. Returns the answers and the seconds until the last."""
        answers, failures = [None] * len(prompts), []

        def client(index):
            try:
                answers[index] = self.ask(prompts[index], length)
            except (Failure, OSError) as e:
                failures.append(e)

        threads = [threading.Thread(target=client, args=(i,)) for i in range(len(prompts))]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise Failure(str(failures[0]))
        return answers, time.monotonic() - began

    def processes(self):
        """The ids of the server's processes."""
        found = [self.process.pid]
        for id in found:
            for task in os.listdir(f"/proc/{id}/task"):
                try:
                    with open(f"/proc/{id}/task/{task}/children") as children:
                        found += map(int, children.read().split())
                except FileNotFoundError:
                    pass
        return found

    def resident_bytes(self):
        """Resident memory of the process that computes."""
        return max(resident(id) for id in self.processes())

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def resident(id):
    try:
        with open(f"/proc/{id}/status") as status:
            return max((int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS")), default=0)
    except FileNotFoundError:
        return 0


class Lockstep(Server):
    name = "Lockstep"

    def __init__(self, model, threads, *flags):
        super().__init__(
            lambda port: [os.path.join(HERE, "..", "lockstep"), "serve", "--device=cpu", f"--port={port}",
                          f"--threads={threads}", "--served-model-name=model", f"--model={model}", *flags],
            "/readyz")

    def request(self, prompt, length):
        return "/v1/completions", {"model": "model", "prompt": prompt, "max_tokens": length, "temperature": 0, "stream": True,
                                   "ignore_eos": True, "return_token_ids": True}

    def tokens(self, event, _):
        """How many tokens an event has."""
        return sum(len(choice.get("token_ids") or []) for choice in event["choices"])

    def ids(self, prompt, length):
        """The ids of a greedy answer."""
        path, body = self.request(prompt, length)
        return self.post(path, body | {"stream": False})["choices"][0]["token_ids"]

    def logprobs(self, prompt, ids):
        """The log-probability of each id after the prompt and those before it."""
        answer = self.post("/v1/completions", {"model": "model", "prompt": prompt + ids, "max_tokens": 0, "prompt_logprobs": 0})
        entries = answer["choices"][0]["prompt_logprobs"][len(prompt):]
        return [entry[str(id)]["logprob"] for entry, id in zip(entries, ids)]

    def lead(self, prompt, id):
        """How much likelier the likeliest next token is than another one, as a difference of log-probabilities. Ids are
        compared: the texts of tokens that are bytes are no keys."""
        likely = self.post("/v1/completions", {"model": "model", "prompt": prompt, "max_tokens": 1, "temperature": 0,
                                               "logprobs": 1, "ignore_eos": True})
        likely = likely["choices"][0]["logprobs"]["top_logprobs"][0]
        return max(likely.values()) - self.logprobs(prompt, [id])[0]


class LlamaServer(Server):
    name = "llama.cpp"

    def __init__(self, folder, model, threads, slots, context):
        super().__init__(
            lambda port: [find(folder), "--model", model, "--port", str(port), "--threads", str(threads),
                          "--threads-batch", str(threads), "--parallel", str(slots), "--ctx-size", str(context),
                          "--n-gpu-layers", "0", "--no-webui"],
            "/health")

    def request(self, prompt, length):
        return "/completion", {"prompt": prompt, "n_predict": length, "temperature": 0, "stream": True,
                               "ignore_eos": True, "return_tokens": True, "cache_prompt": True}

    def tokens(self, event, before):
        """How many tokens an event adds; one whose bytes are not yet a character comes with the next."""
        return event["tokens_predicted"] - before

    def ids(self, prompt, length):
        path, body = self.request(prompt, length)
        return self.post(path, body | {"stream": False})["tokens"]

    def logprobs(self, prompt, ids):
        """The log-probability of each id after the prompt and those before it; None where the server tells none."""
        found = []
        for i, id in enumerate(ids):
            answer = self.post("/completion", {"prompt": prompt + ids[:i], "n_predict": 1, "temperature": 0, "n_probs": 20,
                                               "ignore_eos": False, "cache_prompt": True})
            likely = (answer.get("completion_probabilities") or [{}])[0].get("top_logprobs", [])
            found.append(next((each["logprob"] for each in likely if each["id"] == id), None))
        return found


def find(folder):
    """The server of a build of llama.cpp."""
    for place in (folder, os.path.join(folder, "bin"), os.path.join(folder, "build", "bin")):
        path = os.path.join(place, "llama-server")
        if os.access(path, os.X_OK):
            return path
    raise SystemExit(f"bench-cpu: --peer {folder}: no llama-server in it, nor in its bin or build/bin")
