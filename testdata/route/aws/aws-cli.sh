#!/bin/sh
# The far side's half of exposure prod, on AWS: two customer gateways (Google's
# two addresses) and two Site-to-Site VPN connections, A and B, with two tunnels
# each. Afterwards it prints the four outside addresses that Google's side needs.
# What is there from an earlier run is used again. AWS bills each connection by the hour.
#
#   VPN_GATEWAY=vgw-... sh aws-cli.sh            on a virtual private gateway
#   TRANSIT_GATEWAY=tgw-... sh aws-cli.sh        on a transit gateway, the only one that uses
#                                                several tunnels at once (ECMP)
#   ROUTE_TABLES="rtb-... rtb-..."               also: route tables of the subnets that shall
#                                                reach Google; the gateway must serve their VPC
#   AWS_REGION, AWS_PROFILE                      as always
#
# The pre-shared keys are not in here. They come from files, in the folder KEYS
# (default: this one):
#   A1  causeway-prod-0.psk
#   A2  causeway-prod-1.psk
#   B1  causeway-prod-2.psk
#   B2  causeway-prod-3.psk
set -eu
export AWS_PAGER=""

fail() { echo "aws-cli.sh: $*" >&2; exit 1; }
command -v aws >/dev/null 2>&1 || fail "the AWS CLI is not installed"
VPN_GATEWAY=${VPN_GATEWAY:-} TRANSIT_GATEWAY=${TRANSIT_GATEWAY:-} ROUTE_TABLES=${ROUTE_TABLES:-}
case "$VPN_GATEWAY,$TRANSIT_GATEWAY" in
vgw-*,) set -- --vpn-gateway-id "$VPN_GATEWAY" ;;
,tgw-*) set -- --transit-gateway-id "$TRANSIT_GATEWAY" ;;
*) fail "set either VPN_GATEWAY=vgw-... or TRANSIT_GATEWAY=tgw-..." ;;
esac

# Google expects sessions with AS 64512, and the gateway's number can't be changed.
if [ -n "$VPN_GATEWAY" ]; then
	asn=$(aws ec2 describe-vpn-gateways --vpn-gateway-ids "$VPN_GATEWAY" --query 'VpnGateways[0].AmazonSideAsn' --output text)
else
	asn=$(aws ec2 describe-transit-gateways --transit-gateway-ids "$TRANSIT_GATEWAY" --query 'TransitGateways[0].Options.AmazonSideAsn' --output text)
fi
[ "$asn" = 64512 ] || fail "$VPN_GATEWAY$TRANSIT_GATEWAY has AS $asn, and Google's side expects 64512: tell them (route.vpn.peerASN)"

# Options hold the keys: in files that nobody else can read, never in arguments.
umask 077
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
key() { # FILE: its key, if AWS takes it
	[ -r "${KEYS:-.}/$1" ] || fail "there is no key file ${KEYS:-.}/$1 (set KEYS to its folder)"
	key=$(cat "${KEYS:-.}/$1")
	# AWS: 8 to 64 letters, digits, dots and underscores, not beginning with 0.
	case $key in
	0* | *[!A-Za-z0-9._]*) fail "AWS does not take the key of $1: letters, digits, . and _ only, and no 0 in front" ;;
	esac
	[ ${#key} -ge 8 ] && [ ${#key} -le 64 ] || fail "AWS does not take the key of $1: it must have 8 to 64 characters"
}
tunnel() { # INSIDE-CIDR: options of one tunnel; IKEv2 and one transform set a phase, or rekeying fails
	cat <<JSON
{"TunnelInsideCidr": "$1", "PreSharedKey": "$key", "IKEVersions": [{"Value": "ikev2"}],
 "Phase1EncryptionAlgorithms": [{"Value": "AES256"}], "Phase1IntegrityAlgorithms": [{"Value": "SHA2-256"}],
 "Phase1DHGroupNumbers": [{"Value": 14}], "Phase1LifetimeSeconds": 28800,
 "Phase2EncryptionAlgorithms": [{"Value": "AES256-GCM-16"}], "Phase2IntegrityAlgorithms": [{"Value": "SHA2-256"}],
 "Phase2DHGroupNumbers": [{"Value": 14}], "Phase2LifetimeSeconds": 3600,
 "StartupAction": "start", "DPDTimeoutAction": "restart"}
JSON
}
connection() { # a|b GOOGLE-ADDRESS OPTIONS GATEWAY-FLAG GATEWAY: sets id
	name=causeway-prod-$1
	id=$(aws ec2 describe-vpn-connections --filters "Name=tag:Name,Values=$name" Name=state,Values=pending,available \
		--query 'VpnConnections[0].VpnConnectionId' --output text)
	if [ "$id" != None ]; then
		echo "$name: $id is there and stays as it is" >&2
		return
	fi
	gateway=$(aws ec2 create-customer-gateway --type ipsec.1 --bgp-asn 64514 --ip-address "$2" \
		--tag-specifications "ResourceType=customer-gateway,Tags=[{Key=Name,Value=$name}]" \
		--query CustomerGateway.CustomerGatewayId --output text)
	id=$(aws ec2 create-vpn-connection --type ipsec.1 --customer-gateway-id "$gateway" "$4" "$5" --options "file://$3" \
		--tag-specifications "ResourceType=vpn-connection,Tags=[{Key=Name,Value=$name}]" \
		--query VpnConnection.VpnConnectionId --output text)
	echo "$name: made $id with $gateway" >&2
}

{
	echo '{"StaticRoutesOnly": false, "TunnelOptions": ['
	key causeway-prod-0.psk
	tunnel 169.254.20.0/30
	echo ,
	key causeway-prod-1.psk
	tunnel 169.254.20.4/30
	echo ']}'
} >"$dir/a.json"
{
	echo '{"StaticRoutesOnly": false, "TunnelOptions": ['
	key causeway-prod-2.psk
	tunnel 169.254.20.8/30
	echo ,
	key causeway-prod-3.psk
	tunnel 169.254.20.12/30
	echo ']}'
} >"$dir/b.json"

connection a 203.0.113.10 "$dir/a.json" "$@"
a=$id
connection b 203.0.113.11 "$dir/b.json" "$@"
b=$id
echo "waiting until AWS has made both" >&2
aws ec2 wait vpn-connection-available --vpn-connection-ids "$a" "$b"

for table in $ROUTE_TABLES; do
	if [ -n "$VPN_GATEWAY" ]; then
		aws ec2 enable-vgw-route-propagation --route-table-id "$table" --gateway-id "$VPN_GATEWAY"
		continue
	fi
	# A transit gateway tells a VPC's route tables nothing: there the routes are static.
	for range in 10.128.0.0/20 172.16.0.32/28; do
		there=$(aws ec2 describe-route-tables --route-table-ids "$table" \
			--query "RouteTables[0].Routes[?DestinationCidrBlock=='$range'].TransitGatewayId | [0]" --output text)
		[ "$there" = "$TRANSIT_GATEWAY" ] ||
			aws ec2 create-route --route-table-id "$table" --destination-cidr-block "$range" --transit-gateway-id "$TRANSIT_GATEWAY" >/dev/null
	done
done

outside() { # CONNECTION INSIDE-CIDR: the outside address of that tunnel
	address=$(aws ec2 describe-vpn-connections --vpn-connection-ids "$1" \
		--query "VpnConnections[0].Options.TunnelOptions[?TunnelInsideCidr=='$2'].OutsideIpAddress | [0]" --output text)
	[ "$address" != None ] || fail "$1 has no tunnel with the inside addresses $2: delete it and run this again"
	echo "$address"
}
A1=$(outside "$a" 169.254.20.0/30)
A2=$(outside "$a" 169.254.20.4/30)
B1=$(outside "$b" 169.254.20.8/30)
B2=$(outside "$b" 169.254.20.12/30)

echo "Google's side needs these four, in this order (route.vpn.peerAddresses):" >&2
echo "A1 $A1"
echo "A2 $A2"
echo "B1 $B1"
echo "B2 $B2"
cat >&2 <<TEXT
To see the tunnels, once Google's side is made too:
  aws ec2 describe-vpn-connections --vpn-connection-ids $a $b --query 'VpnConnections[].VgwTelemetry[].[OutsideIpAddress,Status,StatusMessage]'
To undo:
  aws ec2 delete-vpn-connection --vpn-connection-id $a; aws ec2 delete-vpn-connection --vpn-connection-id $b
  then delete-customer-gateway for those named causeway-prod-a and -b
TEXT
