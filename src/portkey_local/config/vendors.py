"""The provider fields: what single vendors want to know beside a key and a host.

Ground rules: names and spelling are the reference's. All of them are hidden from repr, because many
hold credentials and none is worth reading in a log. Which of them work yet is said in `unbuilt`,
not here.
"""

# Annotations are real objects here: pydantic would have to compile each string, at twice the import
# time.

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["SECRET_FIELDS", "VENDOR_FIELDS", "Frozen", "VendorFields"]

Hidden = Field(repr=False)
Text = Annotated[str | None, Hidden]


class Frozen(BaseModel):
    """The manners of every model here: immutable, strict about types, closed to unknown fields."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=()
    )

    @model_validator(mode="before")
    @classmethod
    def _none_is_unset(cls, fields: Any) -> Any:
        # So `Retry(attempts=1, on_status_codes=None)` equals `Retry(attempts=1)`, and both dump
        # alike.
        if isinstance(fields, dict) and None in fields.values():
            return {name: value for name, value in fields.items() if value is not None}
        return fields

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show what was written, without the many defaults and the hidden fields."""
        for name, value in super().__repr_args__():
            if name in self.model_fields_set:
                yield name, value


class VendorFields(Frozen):
    """Fields that mean something to one vendor only."""

    # Nobody validates by this class alone, so its validator is never built.
    model_config = ConfigDict(defer_build=True)

    openai_organization: Text = None
    openai_project: Text = None
    openai_beta: Text = None

    resource_name: Text = None
    deployment_id: Text = None
    api_version: Text = None
    azure_model_name: Text = None
    azure_auth_mode: Text = None
    azure_ad_token: Text = None
    azure_entra_client_id: Text = None
    azure_entra_client_secret: Text = None
    azure_entra_tenant_id: Text = None
    azure_entra_scope: Text = None
    azure_managed_client_id: Text = None
    azure_workload_client_id: Text = None
    azure_foundry_url: Text = None
    azure_deployment_name: Text = None
    azure_api_version: Text = None
    azure_extra_parameters: Text = None

    aws_access_key_id: Text = None
    aws_secret_access_key: Text = None
    aws_session_token: Text = None
    aws_region: Text = None
    aws_auth_type: Text = None
    aws_role_arn: Text = None
    aws_external_id: Text = None
    aws_s3_bucket: Text = None
    aws_s3_object_key: Text = None
    aws_bedrock_model: Text = None
    aws_server_side_encryption: Text = None
    aws_server_side_encryption_kms_key_id: Text = None
    amzn_sagemaker_custom_attributes: Text = None
    amzn_sagemaker_target_model: Text = None
    amzn_sagemaker_target_variant: Text = None
    amzn_sagemaker_target_container_hostname: Text = None
    amzn_sagemaker_inference_id: Text = None
    amzn_sagemaker_enable_explanations: Text = None
    amzn_sagemaker_inference_component: Text = None
    amzn_sagemaker_session_id: Text = None
    amzn_sagemaker_model_name: Text = None

    vertex_project_id: Text = None
    vertex_region: Text = None
    vertex_service_account_json: Annotated[dict[str, str] | None, Hidden] = None
    vertex_storage_bucket_name: Text = None
    vertex_model_name: Text = None

    anthropic_beta: Text = None
    anthropic_version: Text = None
    fireworks_account_id: Text = None
    huggingface_base_url: Text = None
    mistral_fim_completion: Text = None
    snowflake_account: Text = None
    stability_client_id: Text = None
    stability_client_user_id: Text = None
    stability_client_version: Text = None
    workers_ai_account_id: Text = None

    oracle_api_version: Text = None
    oracle_region: Text = None
    oracle_compartment_id: Text = None
    oracle_serving_mode: Text = None
    oracle_tenancy: Text = None
    oracle_user: Text = None
    oracle_fingerprint: Text = None
    oracle_private_key: Text = None
    oracle_key_passphrase: Text = None


VENDOR_FIELDS = frozenset(VendorFields.model_fields)
SECRET_FIELDS = (  # those that hold a credential
    "aws_secret_access_key",
    "aws_session_token",
    "azure_ad_token",
    "azure_entra_client_secret",
    "vertex_service_account_json",
)
