"""The login page: a form without a script, in the language of the browser, and what it sends.

Only where `access.users` is set. Who is logged in has a cookie that no script can read.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib import resources
from urllib.parse import parse_qs, quote

import anyio
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from seacod.errors import BadRequest, SeacodError
from seacod.web.logins.logins import Logins
from seacod.web.middleware.access import COOKIE, LOGIN, LOGOUT, address_of
from seacod.web.page import texts

_LONGEST_FORM_BYTES = 16 * 1024
# A form of two lines that takes longer is none.
_FORM_SECONDS = 10.0
# Where a browser may be sent after the login: a path of ours. A second slash, or what browsers
# read as one, would be another server.
_OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")
_STYLE = resources.files("seacod.web.page").joinpath("login.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def router(logins: Logins, root_path: str) -> APIRouter:
    """The routes of the login page.

    Args:
        logins: who may log in.
        root_path: prefix of a reverse proxy, empty for none.
    """
    routes = APIRouter(include_in_schema=False)
    home = f"{root_path}/"

    def page(
        request: Request, wanted: str, status: int = 200, *, name: str = "", problem: str = "",
    ) -> Response:  # fmt: skip
        language = _language(request)
        text = _page(language, f"{root_path}{LOGIN}", wanted, name, problem)
        return HTMLResponse(text, status, {**_HEADERS, "Content-Language": language})

    @routes.get(LOGIN)
    async def show(request: Request) -> Response:
        wanted = _own(request.query_params.get("next", ""), home)
        if logins.sessions.name(request.cookies.get(COOKIE, "")) is not None:
            return RedirectResponse(wanted, 303, {"Cache-Control": "no-store"})
        return page(request, wanted)

    @routes.post(LOGIN)
    async def log_in(request: Request) -> Response:
        given = await _form(request)
        wanted = _own(given.get("next", ""), home)
        name, password = given.get("name", ""), given.get("password", "")
        english = _language(request) == "en"
        try:
            is_right = await logins.is_right(name, password, address_of(request.scope))
        except SeacodError as error:
            language = "en" if english else "zh"
            problem = texts.sentence(language, error.sentence(language))
            answer = page(request, wanted, error.http_status, name=name, problem=problem)
            answer.headers["Retry-After"] = str(error.retry_after_seconds or 5)
            return answer
        if not is_right:
            problem = texts.text("en" if english else "zh", "login_wrong")
            return page(request, wanted, 401, name=name, problem=problem)
        # A session that was there before is over: nobody goes on in one they did not begin.
        logins.sessions.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse(wanted, 303, {"Cache-Control": "no-store"})
        response.set_cookie(
            COOKIE, logins.sessions.begin(name), max_age=int(logins.session_seconds), path=home,
            httponly=True, samesite="lax", secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    @routes.post(LOGOUT)
    async def log_out(request: Request) -> Response:
        logins.sessions.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse(f"{root_path}{LOGIN}", 303, {"Cache-Control": "no-store"})
        response.delete_cookie(
            COOKIE, path=home, httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )
        return response

    return routes


async def _form(request: Request) -> dict[str, str]:
    """The fields of the form.

    Raises:
        BadRequest: it is too big, too slow, or none.
    """
    body = bytearray()
    try:
        with anyio.fail_after(_FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LONGEST_FORM_BYTES:
                    raise BadRequest("the form is too big", "表单过大")
        fields = parse_qs(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=10, errors="strict"
        )
    except TimeoutError:
        raise BadRequest("the form did not come in time", "表单提交超时") from None
    except ValueError:
        raise BadRequest("this is no form of ours", "无法识别的表单") from None
    return {key: values[-1] for key, values in fields.items()}


def _own(path: str, home: str) -> str:
    """The path, if it is one of ours, else the page."""
    return path if _OWN_PATH.fullmatch(path) and path.startswith(home) else home


def _language(request: Request) -> str:
    """What was chosen on the page itself, else the browser's first language that we have."""
    chosen = request.query_params.get("lang", "")
    if chosen in texts.LANGUAGES:
        return chosen
    for part in request.headers.get("accept-language", "").split(","):
        tag = part.split(";")[0].strip().lower()[:2]
        if tag in texts.LANGUAGES:
            return tag
    return "zh"


def _page(language: str, address: str, wanted: str, name: str, problem: str) -> str:
    def said(key: str) -> str:
        return html.escape(texts.text(language, key))

    other = next(one for one in texts.LANGUAGES if one != language)
    query = f"?next={quote(wanted, safe='/')}"
    alert = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    return f"""<!doctype html>
<html lang="{"zh-CN" if language == "zh" else "en"}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{said("login_title")} · {said("title")}</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{said("title")}</h1>
<p class="hint">{said("login_hint")}</p>
{alert}
<form method="post" action="{html.escape(address)}?lang={language}">
<input type="hidden" name="next" value="{html.escape(wanted)}">
<label for="name">{said("login_name")}</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false"
 maxlength="64" required value="{html.escape(name[:64])}"{focus_name}>
<label for="password">{said("login_password")}</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 maxlength="1024" required{focus_password}>
<button>{said("login_button")}</button>
</form>
<p class="other"><a href="{html.escape(address)}{query}&amp;lang={other}" lang="{other}">\
{html.escape(texts.text(other, "login_language"))}</a></p>
</main>
</body>
</html>
"""
