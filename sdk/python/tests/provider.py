"""A provider that is played, and clients of it that are made as OpenAI's and Anthropic's SDKs are.

The clients have the parts of the SDKs that a wrapper meets: resources that are made once,
with_options, streams with a response, helpers that make the call themselves, raw replies.
"""

import asyncio
import functools
import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHAT = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "prompt_tokens_details": {"cached_tokens": 5}}


def chat_events(ask):
    wants = (ask.get("stream_options") or {}).get("include_usage")
    more = {"usage": None} if wants else {}
    chunk = lambda delta, end=None: {"id": "c", "model": ask["model"], "choices": [{"index": 0, "delta": delta, "finish_reason": end}], **more}
    yield chunk({"role": "assistant", "content": "Hel"})
    yield chunk({"content": "lo, you"})
    yield chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"usage":1}'}}]})
    yield chunk({}, "stop")
    if wants:
        yield {"id": "c", "model": ask["model"], "choices": [], "usage": CHAT}
    yield "[DONE]"


def response_events(ask):
    yield {"type": "response.created", "response": {"id": "r", "model": ask["model"], "usage": None, "output": []}}
    yield {"type": "response.output_text.delta", "delta": "Hello"}
    done = {"id": "r", "model": ask["model"], "output": [{"type": "web_search_call"}, {"type": "message"}], "usage": {"input_tokens": 10, "output_tokens": 3}}
    yield {"type": "response.completed", "response": done}


def message_events(ask):
    yield {"type": "message_start", "message": {"id": "m", "model": ask["model"], "usage": {"input_tokens": 25, "cache_read_input_tokens": 4, "output_tokens": 1}}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello there"}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15}}
    yield {"type": "message_stop"}


WHOLE = {
    "/v1/chat/completions": lambda ask: {"model": ask["model"], "choices": [{"message": {"content": "Hello"}}], "usage": CHAT},
    "/v1/responses": lambda ask: {"model": ask["model"], "output": [], "usage": {"input_tokens": 10, "output_tokens": 3}},
    "/v1/embeddings": lambda ask: {"model": ask["model"], "data": [], "usage": {"prompt_tokens": 4, "total_tokens": 4}},
    "/v1/images/generations": lambda ask: {"data": []},
    "/v1/messages": lambda ask: {"model": ask["model"], "content": [], "usage": {"input_tokens": 25, "output_tokens": 15}},
}
EVENTS = {"/v1/chat/completions": chat_events, "/v1/responses": response_events, "/v1/messages": message_events}


class Provider:
    """Its server. `fail` is the status of the next replies; `cut` after how many events a stream
    breaks off."""

    def __init__(self):
        self.asked, self.fail, self.cut = [], [], None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                ask = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.asked.append((self.path, ask))
                if provider.fail:
                    return self.reply(provider.fail.pop(0), b'{"error":{"message":"played"}}')
                if not ask.get("stream"):
                    return self.reply(200, json.dumps(WHOLE[self.path](ask)).encode())
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for n, event in enumerate(EVENTS[self.path](ask)):
                    if n == provider.cut:
                        return None
                    text = event if isinstance(event, str) else json.dumps(event)
                    name = f"event: {event['type']}\n" if "type" in event else ""
                    try:
                        self.wfile.write(f"{name}data: {text}\n\n".encode())
                    except OSError:
                        return None
                return None

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Object:
    """A reply of an SDK: members, and model_dump()."""

    def __init__(self, said):
        self._said = said
        for k, v in said.items():
            setattr(self, k, _object(v))

    def model_dump(self):
        return self._said


def _object(v):
    return Object(v) if isinstance(v, dict) else [_object(x) for x in v] if isinstance(v, list) else v


class APIStatusError(Exception):
    def __init__(self, status):
        super().__init__(f"the provider answers {status}")
        self.status_code = status


class NotGiven:
    def __bool__(self):
        return False


class Stream:
    def __init__(self, response):
        self.response = response
        self._iterator = self.__stream__()

    def __stream__(self):
        try:
            ended = False
            for line in self.response:
                if line.startswith(b"data: [DONE]") or line == b'data: {"type": "message_stop"}\n':
                    ended = True
                if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                    said = json.loads(line[6:])
                    ended = ended or said.get("type") == "response.completed"
                    yield _object(said)
            if not ended:
                raise ConnectionResetError("the stream broke off")
        finally:
            self.response.close()

    def __next__(self):
        return next(self._iterator)

    def __iter__(self):
        yield from self._iterator

    def close(self):
        self.response.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class AsyncStream:
    def __init__(self, stream):
        self._stream, self.response = stream, stream.response

    async def __anext__(self):
        event = await asyncio.to_thread(next, self._stream, None)
        if event is None:
            raise StopAsyncIteration
        return event

    def __aiter__(self):
        return self

    async def close(self):
        self._stream.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()


class Raw:
    """A reply that is not read."""

    def __init__(self, said):
        self.http_response, self._said = object(), said

    def parse(self):
        return self._said


class Gathered:
    """What the helpers make of a stream; it closes the response and not the stream, as they do."""

    def __init__(self, raw):
        self._raw_stream, self._response, self.text = raw, raw.response, ""

    def __iter__(self):
        yield from self._raw_stream

    def until_done(self):
        return [event for event in self]

    def close(self):
        self._response.close()


class Manager:
    def __init__(self, request):
        self.__request = request

    def __enter__(self):
        self.__stream = Gathered(self.__request())
        return self.__stream

    def __exit__(self, *_):
        self.__stream.close()


class AsyncGathered(Gathered):
    async def __aiter__(self):
        async for event in self._raw_stream:
            yield event


class AsyncManager:
    def __init__(self, request):
        self.__request = request

    async def __aenter__(self):
        self.__stream = AsyncGathered(await self.__request)
        return self.__stream

    async def __aexit__(self, *_):
        self.__stream.close()


class Resource:
    def __init__(self, client, path, helper_posts=False):
        self._client, self._path, self._helper_posts = client, path, helper_posts

    def _post(self, body):
        headers = body.pop("extra_headers", None) or {}
        body = {k: v for k, v in body.items() if not isinstance(v, NotGiven)}
        request = urllib.request.Request(self._client.url + self._path, json.dumps(body).encode(), method="POST")
        try:
            response = urllib.request.urlopen(request)
        except urllib.error.HTTPError as e:
            e.close()
            raise APIStatusError(e.code) from None
        if body.get("stream"):
            return Stream(response)
        with response:
            said = _object(json.loads(response.read()))
        return Raw(said) if headers.get("X-Stainless-Raw-Response") else said

    def create(self, **body):
        return self._post(body)

    def parse(self, **body):
        return self._post(body)

    def stream(self, **body):
        make = self._post if self._helper_posts or body.get("response_id") else lambda b: self.create(**b)
        return Manager(lambda: make({**body, "stream": True}))


def required_args(f):
    """As the SDKs wrap what is async."""

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    return wrapper


class AsyncResource(Resource):
    @required_args
    async def create(self, **body):
        said = await asyncio.to_thread(self._post, body)
        return AsyncStream(said) if isinstance(said, Stream) else said

    async def parse(self, **body):
        return await asyncio.to_thread(self._post, body)

    def stream(self, **body):
        make = AsyncResource.create if self._helper_posts else lambda _, **b: self.create(**b)
        return AsyncManager(make(self, **body, stream=True))


class Part:
    def __init__(self, **parts):
        self.__dict__.update(parts)


class SDK:
    resource = Resource

    def __init__(self, url, timeout=600):
        self.url, self.timeout = url, timeout

    def with_options(self, **options):
        return type(self)(self.url, **{"timeout": self.timeout, **options})

    copy = with_options


class Beta:
    """As in versions that make its parts anew each time."""

    def __init__(self, client):
        self._client = client

    @property
    def chat(self):
        return Part(completions=self._client.resource(self._client, "/v1/chat/completions"))

    @property
    def threads(self):
        return Part()


class OpenAI(SDK):
    @functools.cached_property
    def chat(self):
        return Part(completions=self.resource(self, "/v1/chat/completions"))

    @functools.cached_property
    def responses(self):
        return self.resource(self, "/v1/responses")

    @functools.cached_property
    def embeddings(self):
        return self.resource(self, "/v1/embeddings")

    @functools.cached_property
    def images(self):
        return Part(generate=self.resource(self, "/v1/images/generations").create)

    @functools.cached_property
    def beta(self):
        return Beta(self)

    @functools.cached_property
    def with_raw_response(self):
        create = self.chat.completions.create
        raw = {"X-Stainless-Raw-Response": "true"}
        return Part(chat=Part(completions=Part(create=lambda **k: create(**k, extra_headers=raw))))


class Anthropic(SDK):
    @functools.cached_property
    def messages(self):
        return self.resource(self, "/v1/messages", helper_posts=True)


class AsyncOpenAI(OpenAI):
    resource = AsyncResource


class AsyncAnthropic(Anthropic):
    resource = AsyncResource
