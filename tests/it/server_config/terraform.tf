variable "federation_settings_id" {
  type = string
}

resource "mongodbatlas_federated_settings_identity_provider" "workforce" {
  federation_settings_id = var.federation_settings_id
  name                   = "prod"
  description            = "Workforce Identity Federation"
  protocol               = "OIDC"
  idp_type               = "WORKFORCE"
  issuer_uri             = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
  audience               = "66666666-7777-8888-9999-000000000000"
  client_id              = "66666666-7777-8888-9999-000000000000"
  requested_scopes       = ["66666666-7777-8888-9999-000000000000/.default"]
  authorization_type     = "GROUP"
  user_claim             = "upn"
  groups_claim           = "groups"
}
