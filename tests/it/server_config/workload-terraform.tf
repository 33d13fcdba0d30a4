variable "federation_settings_id" {
  type = string
}

resource "mongodbatlas_federated_settings_identity_provider" "workload" {
  federation_settings_id = var.federation_settings_id
  name                   = "orders"
  description            = "Workload Identity Federation"
  protocol               = "OIDC"
  idp_type               = "WORKLOAD"
  issuer_uri             = "https://accounts.google.com"
  audience               = "mongodb://orders"
  authorization_type     = "USER"
  user_claim             = "sub"
}
