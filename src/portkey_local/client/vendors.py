"""What a client can be told about one vendor: the provider fields of a config, as arguments.

The names are `portkey_ai`'s, which puts `azure_` before three of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypedDict

__all__ = ["FIELDS", "VendorArguments"]


class VendorArguments(TypedDict, total=False):
    """Fields of a target that mean something to one vendor only."""

    anthropic_beta: str
    anthropic_version: str
    aws_access_key_id: str
    aws_auth_type: str
    aws_external_id: str
    aws_region: str
    aws_role_arn: str
    aws_secret_access_key: str
    aws_session_token: str
    azure_ad_token: str
    azure_api_version: str
    azure_auth_mode: str
    azure_deployment_id: str
    azure_entra_client_id: str
    azure_entra_client_secret: str
    azure_entra_scope: str
    azure_entra_tenant_id: str
    azure_foundry_url: str
    azure_managed_client_id: str
    azure_resource_name: str
    azure_workload_client_id: str
    huggingface_base_url: str
    oracle_region: str
    snowflake_account: str
    vertex_project_id: str
    vertex_region: str
    vertex_service_account_json: Mapping[str, str]
    workers_ai_account_id: str


_AZURE: Final = ("api_version", "deployment_id", "resource_name")
_OTHER_NAMES: Final = {f"azure_{field}": field for field in _AZURE}

# Argument -> the field of a target.
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {name: _OTHER_NAMES.get(name, name) for name in VendorArguments.__annotations__}
)
