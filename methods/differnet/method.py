"""DifferNet: an image is as anomalous as its pooled features are unlikely under a flow."""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Variant
from ..flows.method import BASE_DEPARTURES, FlowMethod
from ..flows.settings import FlowSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferNetSettings(FlowSettings):
    """Settings of DifferNet: those of every flow, no others."""


class DifferNet(FlowMethod):
    """A normalising flow over pooled multi-scale features of rotated views."""

    name = "differnet"
    title = "DifferNet"
    paper = "Rudolph et al., WACV 2021, arXiv 2008.12577"
    variants = {  # noqa: RUF012
        "official-epochs": Variant(title="DifferNet, 192 epochs", settings={"epochs": 192})
    }
    departures = (
        "Trained for the 240 epochs that the RAD paper states for its methods, so that budgets are "
        "equal; the official code trains for 192 (differnet@official-epochs).",
        *BASE_DEPARTURES,
    )
    Settings = DifferNetSettings
    settings: DifferNetSettings
