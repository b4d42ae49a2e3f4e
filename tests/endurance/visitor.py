"""A browser without a screen: keeps cookies, sends a page's own form token, follows nothing but redirects."""

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

# A write waits for the database's lock for twenty seconds.
_DEADLINE_S: Final = 60.0
_TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True)
class Answer:
    status: int
    text: str


class Visitor:
    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        self._token = ""

    def cookie(self, name: str) -> str | None:
        return next((cookie.value for cookie in self._cookies if cookie.name == name), None)

    def get(self, path: str) -> Answer:
        answer = self._open(urllib.request.Request(self._url + path))  # noqa: S310
        token = _TOKEN.search(answer.text)
        self._token = token[1] if token is not None else self._token
        return answer

    def post(self, path: str, **fields: str) -> Answer:
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": self._token, **fields}).encode()
        headers = {"Origin": self._url}
        return self._open(urllib.request.Request(self._url + path, data=body, headers=headers))  # noqa: S310

    def sign_in(self, username: str, password: str) -> Answer:
        self.get("/sign-in/")
        answer = self.post("/sign-in/", username=username, password=password)
        if answer.status == 200:
            # The token is a new one then.
            self.get("/settings/")
        return answer

    def _open(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=_DEADLINE_S) as answer:
                return Answer(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())
