# SPDX-License-Identifier: Apache-2.0
"""OpenAI's client speaks to LiteLLM's proxy, which speaks to the server."""
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import openai

from served import CITIES, KEY, MODEL, QUESTION, REFUSED, TEXT, URL, WEATHER_QUESTION, WEATHER_SCHEMA, check, error


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def proxy(proxy_key):
    """Runs LiteLLM's proxy, and gives its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config.yaml")
        with open(config, "w", encoding="utf-8") as file:
            # YAML reads JSON.
            json.dump({
                "model_list": [{
                    "model_name": MODEL,
                    "litellm_params": {"model": "openai/" + MODEL, "api_base": URL, "api_key": KEY}}],
                "general_settings": {"master_key": proxy_key},
                "litellm_settings": {"num_retries": 0, "telemetry": False}}, file)
        process = subprocess.Popen(
            [sys.executable, "-sB", "-c", "from litellm import run_server; run_server()",
             "--config", config, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder, env=dict(os.environ, LITELLM_LOCAL_MODEL_COST_MAP="True"))
        try:
            while process.poll() is None:
                try:
                    urllib.request.urlopen("http://127.0.0.1:%d/health/readiness" % port).close()
                    break
                except OSError:
                    time.sleep(0.2)
            assert process.poll() is None, "the proxy ended"
            yield "http://127.0.0.1:%d/v1" % port
        finally:
            process.terminate()
            process.wait()


own_key = "sk-" + secrets.token_hex(32)
with proxy(own_key) as url:
    client = openai.OpenAI(base_url=url, api_key=own_key, max_retries=0)
    to = {"model": MODEL, "temperature": 0}
    chat = client.chat.completions.create(messages=QUESTION, max_tokens=12, **to)
    check("chat", chat.choices[0].message.content)
    stream = client.chat.completions.create(messages=QUESTION, max_tokens=12, stream=True, **to)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    check("stream", text == chat.choices[0].message.content)

    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER_SCHEMA}}]
    ask = {"max_tokens": 60, "tools": tools, "tool_choice": "required", "parallel_tool_calls": False, **to}
    asked = client.chat.completions.create(messages=WEATHER_QUESTION, **ask)
    call = asked.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments)["city"] in CITIES, asked
    with client.chat.completions.stream(messages=WEATHER_QUESTION, **ask) as events:
        events.until_done()
        streamed = events.get_final_completion().choices[0].message.tool_calls[0]
    answered = client.chat.completions.create(**{**ask, "tool_choice": "none", "max_tokens": 12}, messages=[
        *WEATHER_QUESTION, asked.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "Cold."}])
    check("tools", answered.choices[0].message.content and streamed.function.arguments == call.function.arguments)

    formed = client.chat.completions.create(messages=QUESTION, max_tokens=60, **to, response_format={
        "type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": WEATHER_SCHEMA}})
    check("structured output", json.loads(formed.choices[0].message.content)["city"] in CITIES)

    thought = client.chat.completions.create(
        messages=QUESTION, max_tokens=8, extra_body={"chat_template_kwargs": {"enable_thinking": True}}, **to)
    check("reasoning", thought.choices[0].message.reasoning_content)

    response = client.responses.create(input=TEXT, max_output_tokens=16, **to)
    check("responses", response.output_text)

    check("embeddings", len(client.embeddings.create(model=MODEL, input=["one", "two"]).data) == 2)

    refused = error(openai.BadRequestError, lambda: client.chat.completions.create(
        messages=QUESTION, extra_body=REFUSED, **to))
    check("errors", "no_repeat_ngram_size" in refused.message)
