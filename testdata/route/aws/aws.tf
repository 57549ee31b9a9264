# The far side's half of exposure prod, on AWS: two customer gateways (Google's
# two addresses) and two Site-to-Site VPN connections, A and B, with two tunnels
# each. `terraform output causeway_peer_addresses` is what Google's side needs.
# Where the folder says already which providers it needs, leave the first block out.
#
# The pre-shared keys are not in here. Hand them over in the environment:
#   export TF_VAR_causeway_keys='{"NAME": "KEY", ...}'
# Terraform keeps them in its state: store that encrypted.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "causeway_vpn_gateway" {
  description = "Virtual private gateway (vgw-...) with AS 64512; either this or a transit gateway."
  type        = string
  default     = null
}

variable "causeway_transit_gateway" {
  description = "Transit gateway (tgw-...) with AS 64512: the only one that uses several tunnels at once (ECMP)."
  type        = string
  default     = null
}

variable "causeway_route_tables" {
  description = "Route tables (rtb-...) of the subnets that shall reach Google; the gateway must serve their VPC."
  type        = set(string)
  default     = []
}

variable "causeway_keys" {
  description = "Pre-shared keys by name: causeway-prod-0.psk, causeway-prod-1.psk, causeway-prod-2.psk, causeway-prod-3.psk."
  type        = map(string)
  sensitive   = true
  validation {
    condition     = alltrue([for name in ["causeway-prod-0.psk", "causeway-prod-1.psk", "causeway-prod-2.psk", "causeway-prod-3.psk"] : can(regex("^[A-Za-z1-9._][A-Za-z0-9._]{7,63}$", var.causeway_keys[name]))])
    error_message = "AWS takes 8 to 64 letters, digits, dots and underscores, not beginning with 0, and every key must be there."
  }
}

resource "aws_customer_gateway" "causeway_a" {
  type       = "ipsec.1"
  bgp_asn    = 64514
  ip_address = "203.0.113.10"
  tags = {
    Name = "causeway-prod-a"
  }
}

# IKEv2 and one transform set a phase, or rekeying fails.
resource "aws_vpn_connection" "causeway_a" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.causeway_a.id
  vpn_gateway_id      = var.causeway_vpn_gateway
  transit_gateway_id  = var.causeway_transit_gateway
  static_routes_only  = false

  tunnel1_inside_cidr                  = "169.254.20.0/30"
  tunnel1_preshared_key                = var.causeway_keys["causeway-prod-0.psk"]
  tunnel1_ike_versions                 = ["ikev2"]
  tunnel1_phase1_encryption_algorithms = ["AES256"]
  tunnel1_phase1_integrity_algorithms  = ["SHA2-256"]
  tunnel1_phase1_dh_group_numbers      = [14]
  tunnel1_phase1_lifetime_seconds      = 28800
  tunnel1_phase2_encryption_algorithms = ["AES256-GCM-16"]
  tunnel1_phase2_integrity_algorithms  = ["SHA2-256"]
  tunnel1_phase2_dh_group_numbers      = [14]
  tunnel1_phase2_lifetime_seconds      = 3600
  tunnel1_startup_action               = "start"
  tunnel1_dpd_timeout_action           = "restart"

  tunnel2_inside_cidr                  = "169.254.20.4/30"
  tunnel2_preshared_key                = var.causeway_keys["causeway-prod-1.psk"]
  tunnel2_ike_versions                 = ["ikev2"]
  tunnel2_phase1_encryption_algorithms = ["AES256"]
  tunnel2_phase1_integrity_algorithms  = ["SHA2-256"]
  tunnel2_phase1_dh_group_numbers      = [14]
  tunnel2_phase1_lifetime_seconds      = 28800
  tunnel2_phase2_encryption_algorithms = ["AES256-GCM-16"]
  tunnel2_phase2_integrity_algorithms  = ["SHA2-256"]
  tunnel2_phase2_dh_group_numbers      = [14]
  tunnel2_phase2_lifetime_seconds      = 3600
  tunnel2_startup_action               = "start"
  tunnel2_dpd_timeout_action           = "restart"

  tags = {
    Name = "causeway-prod-a"
  }
  lifecycle {
    precondition {
      condition     = (var.causeway_vpn_gateway == null) != (var.causeway_transit_gateway == null)
      error_message = "Set either causeway_vpn_gateway or causeway_transit_gateway."
    }
  }
}

resource "aws_customer_gateway" "causeway_b" {
  type       = "ipsec.1"
  bgp_asn    = 64514
  ip_address = "203.0.113.11"
  tags = {
    Name = "causeway-prod-b"
  }
}

# IKEv2 and one transform set a phase, or rekeying fails.
resource "aws_vpn_connection" "causeway_b" {
  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.causeway_b.id
  vpn_gateway_id      = var.causeway_vpn_gateway
  transit_gateway_id  = var.causeway_transit_gateway
  static_routes_only  = false

  tunnel1_inside_cidr                  = "169.254.20.8/30"
  tunnel1_preshared_key                = var.causeway_keys["causeway-prod-2.psk"]
  tunnel1_ike_versions                 = ["ikev2"]
  tunnel1_phase1_encryption_algorithms = ["AES256"]
  tunnel1_phase1_integrity_algorithms  = ["SHA2-256"]
  tunnel1_phase1_dh_group_numbers      = [14]
  tunnel1_phase1_lifetime_seconds      = 28800
  tunnel1_phase2_encryption_algorithms = ["AES256-GCM-16"]
  tunnel1_phase2_integrity_algorithms  = ["SHA2-256"]
  tunnel1_phase2_dh_group_numbers      = [14]
  tunnel1_phase2_lifetime_seconds      = 3600
  tunnel1_startup_action               = "start"
  tunnel1_dpd_timeout_action           = "restart"

  tunnel2_inside_cidr                  = "169.254.20.12/30"
  tunnel2_preshared_key                = var.causeway_keys["causeway-prod-3.psk"]
  tunnel2_ike_versions                 = ["ikev2"]
  tunnel2_phase1_encryption_algorithms = ["AES256"]
  tunnel2_phase1_integrity_algorithms  = ["SHA2-256"]
  tunnel2_phase1_dh_group_numbers      = [14]
  tunnel2_phase1_lifetime_seconds      = 28800
  tunnel2_phase2_encryption_algorithms = ["AES256-GCM-16"]
  tunnel2_phase2_integrity_algorithms  = ["SHA2-256"]
  tunnel2_phase2_dh_group_numbers      = [14]
  tunnel2_phase2_lifetime_seconds      = 3600
  tunnel2_startup_action               = "start"
  tunnel2_dpd_timeout_action           = "restart"

  tags = {
    Name = "causeway-prod-b"
  }
  lifecycle {
    precondition {
      condition     = (var.causeway_vpn_gateway == null) != (var.causeway_transit_gateway == null)
      error_message = "Set either causeway_vpn_gateway or causeway_transit_gateway."
    }
  }
}

resource "aws_vpn_gateway_route_propagation" "causeway" {
  for_each       = toset([for table in var.causeway_route_tables : table if var.causeway_vpn_gateway != null])
  route_table_id = each.value
  vpn_gateway_id = var.causeway_vpn_gateway
}

# A transit gateway tells a VPC's route tables nothing: there the routes are static.
resource "aws_route" "causeway" {
  for_each = {
    for pair in setproduct(var.causeway_route_tables, ["10.128.0.0/20", "172.16.0.32/28"]) :
    "${pair[0]} ${pair[1]}" => pair if var.causeway_transit_gateway != null
  }
  route_table_id         = each.value[0]
  destination_cidr_block = each.value[1]
  transit_gateway_id     = var.causeway_transit_gateway
}

# In the order A1, A2, B1, B2, whichever way AWS numbers its tunnels.
output "causeway_peer_addresses" {
  description = "Outside addresses for route.vpn.peerAddresses on Google's side."
  value = [
    aws_vpn_connection.causeway_a.tunnel1_vgw_inside_address == "169.254.20.1" ? aws_vpn_connection.causeway_a.tunnel1_address : aws_vpn_connection.causeway_a.tunnel2_address,
    aws_vpn_connection.causeway_a.tunnel1_vgw_inside_address == "169.254.20.5" ? aws_vpn_connection.causeway_a.tunnel1_address : aws_vpn_connection.causeway_a.tunnel2_address,
    aws_vpn_connection.causeway_b.tunnel1_vgw_inside_address == "169.254.20.9" ? aws_vpn_connection.causeway_b.tunnel1_address : aws_vpn_connection.causeway_b.tunnel2_address,
    aws_vpn_connection.causeway_b.tunnel1_vgw_inside_address == "169.254.20.13" ? aws_vpn_connection.causeway_b.tunnel1_address : aws_vpn_connection.causeway_b.tunnel2_address,
  ]
}
