"""Calls as methods: defined once, they answer at once on `Client` and are awaited on `AsyncClient`."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from lwm2m_ml.client.call import Call
from lwm2m_ml.client.schemas import Page

if TYPE_CHECKING:
    from lwm2m_ml.client.client import AsyncClient, Client

Answer = TypeVar("Answer")
Item = TypeVar("Item")
Given = ParamSpec("Given")


class method(Generic[Given, Answer]):
    """A method that carries out the call which `build` describes."""

    def __init__(self, build: Callable[Given, Call[Answer]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Given, Call[Answer]]: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[Given, Answer]: ...
    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> Callable[Given, Coroutine[Any, Any, Answer]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bound(self._build, client and client.send)


class listing(Generic[Given, Item]):
    """A method that gets all pages of a list."""

    def __init__(self, build: Callable[Given, Call[Page[Item]]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Given, Call[Page[Item]]]: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[Given, list[Item]]: ...
    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> Callable[Given, Coroutine[Any, Any, list[Item]]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bound(self._build, client and client.send_all)


class stream(Generic[Given, Answer]):
    """A method that yields events for as long as they come."""

    def __init__(self, build: Callable[Given, Call[Answer]]) -> None:
        self._build = build

    @overload
    def __get__(self, client: None, owner: type) -> Callable[Given, Call[Answer]]: ...
    @overload
    def __get__(self, client: "Client", owner: type) -> Callable[Given, Iterator[Answer]]: ...
    @overload
    def __get__(self, client: "AsyncClient", owner: type) -> Callable[Given, AsyncIterator[Answer]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        return _bound(self._build, client and client.stream)


def _bound(build: Callable[..., Call[Any]], carry_out: Callable[[Call[Any]], Any] | None) -> Callable[..., Any]:
    """The builder itself on a class, where it shows its parameters; on a client, what carries its calls out."""
    if carry_out is None:
        return build

    @functools.wraps(build)
    def carried_out(*arguments: Any, **named: Any) -> Any:
        return carry_out(build(*arguments, **named))

    return carried_out
