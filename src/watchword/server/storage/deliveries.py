"""Deliveries: a queue of messages to somebody outside, worked off by all nodes, each message by one at a time."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Double, Select, bindparam, delete, literal, select, update

from watchword.server.domain.delivery import Delivery, DeliveryKind
from watchword.server.domain.time import Instant
from watchword.server.storage import tables as t
from watchword.server.storage.row_statements import adding, changing
from watchword.server.storage.rows import storable
from watchword.server.storage.statement import Call, Row, Statement, Steps, fixed

_ADD: Final = adding(t.deliveries)
_PUT: Final = changing(t.deliveries)
_DROP: Final = fixed(delete(t.deliveries).where(t.deliveries.c.id == bindparam("id")))
_PUT_OFF: Final = fixed(
    update(t.deliveries).where(t.deliveries.c.id == bindparam("key")).values(due_at=bindparam("until", type_=Double))
)


def _due(found: Select[Any], besides: int) -> Select[Any]:
    """Of what is ``found`` that which is due and not given up; ``target0`` and so on are the targets besides."""
    found = found.where(
        t.deliveries.c.kind == bindparam("kind"),
        t.deliveries.c.due_at <= bindparam("now", type_=Double),
        t.deliveries.c.expires_at > bindparam("now", type_=Double),
    )
    if besides == 0:
        return found
    return found.where(t.deliveries.c.target.not_in([bindparam(f"target{at}") for at in range(besides)]))


@cache
def _lock_due(besides: int) -> Statement:
    return fixed(
        _due(select(t.deliveries), besides)
        .order_by(t.deliveries.c.due_at, t.deliveries.c.id)
        .limit(bindparam("limit"))
        # What another node is taking just now is its own.
        .with_for_update(skip_locked=True)
    )


@cache
def _is_one_due(besides: int) -> Statement:
    return fixed(_due(select(literal(1)), besides).limit(1))


def _which(kind: DeliveryKind, now: Instant, besides: Sequence[str]) -> dict[str, Any]:
    return {"kind": kind, "now": float(now)} | {f"target{at}": target for at, target in enumerate(besides)}


def add_delivery(delivery: Delivery) -> Steps[None]:
    """A new delivery."""
    yield Call(_ADD, _of_delivery(delivery))


def is_delivery_due(kind: DeliveryKind, now: Instant, besides: Sequence[str]) -> Steps[bool]:
    """Whether there is one to be leased."""
    return bool((yield Call(_is_one_due(len(besides)), _which(kind, now, besides))))


def lease_deliveries(
    kind: DeliveryKind, now: Instant, until: Instant, limit: int, besides: Sequence[str]
) -> Steps[list[Delivery]]:
    """Up to ``limit`` deliveries that are due and not given up, put off to ``until``; longest due first."""
    found = yield Call(_lock_due(len(besides)), _which(kind, now, besides) | {"limit": limit})
    leased = []
    for row in found:
        yield Call(_PUT_OFF, {"key": row[0], "until": float(until)})
        leased.append(_delivery_of(row, due_at=until))
    return leased


def put_delivery(delivery: Delivery) -> Steps[None]:
    """The changed row of a delivery."""
    yield Call(_PUT, _of_delivery(delivery) | {"key": delivery.id})


def delete_delivery(delivery_id: str) -> Steps[None]:
    """Forget a delivery."""
    if storable(delivery_id):
        yield Call(_DROP, {"id": delivery_id})


def _delivery_of(row: Row, *, due_at: Instant) -> Delivery:
    delivery_id, kind, target, content, _, expires_at, tries = row
    return Delivery(
        id=delivery_id,
        kind=kind,
        target=target,
        content=json.loads(content),
        due_at=due_at,
        expires_at=expires_at,
        tries=tries,
    )


def _of_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "kind": delivery.kind,
        "target": delivery.target,
        "content": json.dumps(delivery.content, separators=(",", ":")),
        "due_at": delivery.due_at,
        "expires_at": delivery.expires_at,
        "tries": delivery.tries,
    }
