package explain

import "testing"

// TestTextsOfTheDocuments has every error text of Google's pages on Connect Gateway
// in their Chinese (zh), Japanese (ja) and Korean (ko, the newest) form, and of the
// page on multi-cluster Services (mcs), with the line on which the page has it, and
// what causeway says to it.
func TestTextsOfTheDocuments(t *testing.T) {
	t.Parallel()
	for sentence, test := range map[string]struct{ text, codes string }{
		// Using Connect Gateway, ko: the newest page, which rules.
		"ko 120: the server has no such resource type":      {"서버에 리소스 유형이 없음", "CW-GATEWAY-RESOURCE-TYPE"},
		"ko 120, as kubectl says it":                        {`error: the server doesn't have a resource type "ns"`, "CW-GATEWAY-RESOURCE-TYPE"},
		"ko 123: no active connections":                     {"클러스터(프로젝트: 12345, 멤버십: my-cluster)의 활성 연결을 찾을 수 없음", "CW-GATEWAY-NO-AGENT"},
		"ko 123, as the gateway says it":                    {"no active connections found for cluster (project: 12345, membership: my-cluster)", "CW-GATEWAY-NO-AGENT"},
		"ko 127: the URL was not found":                     {"이 서버에서 요청된 URL을 찾을 수 없음", "CW-GATEWAY-ADDRESS"},
		"ko 127, as the gateway says it":                    {"The requested URL was not found on this server.", "CW-GATEWAY-ADDRESS"},
		"ko 127, as Google's page":                          {"<p>The requested URL <code>/v1/projects/1/locations/global/gkeMembership/m/api</code> was not found on this server.  <ins>That’s all we know.</ins>", "CW-GATEWAY-ADDRESS"},
		"ko 131: no right to use the gateway":               {"사용자 ID에 게이트웨이 API를 사용하는데 충분한 권한이 없음", "CW-GATEWAY-ROLE"},
		"ko 131, as Google says it":                         {"Permission 'gkehub.gateway.get' denied on resource '//gkehub.googleapis.com/projects/p/locations/global/memberships/m' (or it may not exist).", "CW-GATEWAY-ROLE"},
		"ko 131, as gcloud says it":                         {"ERROR: (gcloud.container.fleet.memberships.get-credentials) Caller doesn't have sufficient permissions.", "CW-GATEWAY-ROLE"},
		"ko 135: the agent may not send the user's request": {"Connect 에이전트가 사용자 요청을 전송하도록 승인되지 않음", "CW-GATEWAY-IMPERSONATE"},
		"ko 135, as the API server says it": {`Error from server (Forbidden): users "alice@example.com" is forbidden: User "system:serviceaccount:gke-connect:connect-agent-sa" cannot impersonate resource "users" in API group "" at the cluster scope`,
			"CW-GATEWAY-IMPERSONATE"},
		"ko 137: no rights in the cluster": {"사용자 ID에 작업을 수행하는 데 충분한 RBAC 권한이 없음", "CW-GATEWAY-FORBIDDEN"},
		"ko 137, as the API server says it": {"GET https://connectgateway.googleapis.com/v1/projects/1/locations/global/gkeMemberships/m/api/v1/pods 403 Forbidden\n" +
			`Error from server (Forbidden): pods is forbidden: User "alice@example.com" cannot list resource "pods" in API group "" at the cluster scope`, "CW-GATEWAY-FORBIDDEN"},
		"ko 139: rights by groups":              {"사용자 ID에 Google 그룹스 또는 서드 파티 지원을 사용할 때 작업을 수행할 수 있는 충분한 권한이 없음", "CW-GATEWAY-GROUPS"},
		"ko 140: the agent is ill":              {"Connect 에이전트가 비정상임", "CW-GATEWAY-AGENT"},
		"ko 141: the plugin is missing":         {"executable gke-gcloud-auth-plugin not found", "CW-GATEWAY-PLUGIN"},
		"ko 141: the provider is missing":       {"no Auth Provider found for gcp", "CW-GATEWAY-PLUGIN"},
		"ko 141, as kubectl says it":            {`Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin not found`, "CW-GATEWAY-PLUGIN"},
		"ko 141, as kubectl 1.26 says it":       {`error: no Auth Provider found for name "gcp"`, "CW-GATEWAY-PLUGIN"},
		"ko 144: gcloud is too old":             {"이전 버전의 Google Cloud CLI로 인해 게이트웨이 연결 실패", "CW-GATEWAY-GCLOUD"},
		"ko 144, by gcloud version":             {"Google Cloud SDK 399.0.0\nbq 2.0.75\n", "CW-GATEWAY-GCLOUD"},
		"ko 147: the groups' header":            {"gke-security-groups그룹 아래에서 반환된 그룹의 크기가 8KB HTTP 헤더 크기 제한을 초과합니다.", "CW-GATEWAY-HEADER"},
		"ko 147, in English":                    {"The size of groups returned under gke-security-groups group exceeds the 8KB HTTP header size limit.", "CW-GATEWAY-HEADER"},
		"ko 149: 400 Bad Request":               {"error: unable to upgrade connection: 400 Bad Request", "CW-GATEWAY-CLIENT"},
		"ko 155: a fallback of exec":            {"I1121 10:00:00.000001 42 exec.go:1] RemoteCommand fallback: unable to upgrade streaming request: websocket: bad handshake (400 Bad Request)", "CW-GATEWAY-CLIENT"},
		"ko 155, structured, by newer clients":  {`I1121 10:00:00.000001 42 fallback.go:56] "RemoteCommand fallback" err="unable to upgrade streaming request: websocket: bad handshake (400 Bad Request): generic::permission_denied: Permission 'gkehub.gateway.stream' denied on resource 'projects/p/locations/global/memberships/m'"`, "CW-GATEWAY-STREAM"},
		"ko 159: a fallback of port-forward":    {"I1121 10:00:00.000001 42 fallback_dialer.go:74] fallback to secondary dialer from primary dialer err: unable to upgrade streaming request: websocket: bad handshake (400 Bad Request): generic::resource_exhausted: Quota exceeded for connectgateway.googleapis.com/active_streams", "CW-GATEWAY-STREAMS"},
		"ko 163: the permission to stream":      {"generic::permission_denied: Permission'gkehub.gateway.stream' denied on resource", "CW-GATEWAY-STREAM"},
		"ko 168: no right to stream":            {"...generic::failed_precondition: failed to connect to the cluster's API Server with response (status=403 Forbidden...", "CW-GATEWAY-RBAC"},
		"ko 172: too many streams":              {"generic::resource_exhausted: 게이트웨이의 active_streams 할당량이 소진됨", "CW-GATEWAY-STREAMS"},
		"ko 175: an error in the cluster":       {"generic::failed_precondition: 클러스터 내에서 오류 발생", "CW-GATEWAY-WEBSOCKET"},
		"ko 176: the same, broken over 2 lines": {"generic::failed_precondition: error encountered within\nthe cluster", "CW-GATEWAY-WEBSOCKET"},
		"ko 180: in the agent's log":            {"failed to create the websocket connection...", "CW-GATEWAY-WEBSOCKET"},
		"ko 182: failed or terminated":          {"generic::failed_precondition: 에이전트 연결 실패/종료됨", "CW-GATEWAY-AGENT CW-GATEWAY-SESSION"},
		"ko 182, as the gateway says it":        {"generic::failed_precondition: connection to agent failed", "CW-GATEWAY-AGENT CW-GATEWAY-SESSION"},

		// The same page in older forms: what they alone have, and their headings.
		"zh 135: 400 Bad Request":               {"如果您收到 400 Bad Request 错误", "CW-GATEWAY-CLIENT"},
		"zh 143: the variable":                  {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS is not set\nerror: 400 Bad Request", "CW-GATEWAY-CLIENT"},
		"zh 157: reading from the error stream": {"error: error reading from error stream: next reader: websocket: close 1006 (abnormal closure): unexpected EOF", "CW-GATEWAY-STREAM"},
		"zh 159: an error in the cluster":       {"generic::failed_precondition:集群中遇到错误", "CW-GATEWAY-WEBSOCKET"},
		"zh 161: the same in English":           {"generic::failed_precondition: error encountered within the cluster", "CW-GATEWAY-WEBSOCKET"},
		"zh 165: in the agent's log":            {"E1121 10:00:00.000001 1 dialer.go:7] failed to create the websocket connection: dial tcp: i/o timeout", "CW-GATEWAY-WEBSOCKET"},
		"zh 169: the agent's log has 403":       {"failed to create the websocket connection: websocket: bad handshake, 403 Forbidden", "CW-GATEWAY-RBAC"},
		"zh 171: too many streams":              {"generic::resource_exhausted:网关的 active_streams 配额用尽", "CW-GATEWAY-STREAMS"},
		"zh 175: failed or terminated":          {"generic::failed_precondition:连接代理失败/终止", "CW-GATEWAY-AGENT CW-GATEWAY-SESSION"},
		"zh 185: no such resource type":         {"服务器没有资源类型", "CW-GATEWAY-RESOURCE-TYPE"},
		"zh 186: no active connections":         {"找不到集群的有效连接(项目:12345,成员资格:my-cluster)", "CW-GATEWAY-NO-AGENT"},
		"zh 187: the URL was not found":         {"在此服务器上找不到请求的网址", "CW-GATEWAY-ADDRESS"},
		"zh 188: no right to use the gateway":   {"用户身份权限不足,无法使用网关 API", "CW-GATEWAY-ROLE"},
		"zh 189: the agent may not send":        {"Connect 代理无权发送用户的请求", "CW-GATEWAY-IMPERSONATE"},
		"zh 190: no rights in the cluster":      {"用户身份没有足够的 RBAC 权限,无法执行相应操作", "CW-GATEWAY-FORBIDDEN"},
		"zh 191: rights by groups":              {"使用 Google 群组或第三方支持团队时,用户身份权限不足,无法执行操作", "CW-GATEWAY-GROUPS"},
		"zh 192: the agent is ill":              {"Connect 代理运行状况不佳", "CW-GATEWAY-AGENT"},
		"zh 193: the plugin is missing":         {"找不到可执行的 gke-gcloud-auth-plugin", "CW-GATEWAY-PLUGIN"},
		"zh 193: the provider is missing":       {"找不到名称 GCP 的身份验证提供商", "CW-GATEWAY-PLUGIN"},
		"zh 194: gcloud is too old":             {"使用旧版 Google Cloud CLI 与网关建立连接会失败", "CW-GATEWAY-GCLOUD"},
		"ja 138: 400 Bad Request":               {"400 Bad Request エラーが発生した場合", "CW-GATEWAY-CLIENT"},
		"ja 146: the variable":                  {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS\n400 Bad Request", "CW-GATEWAY-CLIENT"},
		"ja 160: reading from the error stream": {"error: error reading from error stream...", "CW-GATEWAY-STREAM"},
		"ja 162: an error in the cluster":       {"generic::failed_precondition: クラスタ内でエラーが発生しました", "CW-GATEWAY-WEBSOCKET"},
		"ja 168: in the agent's log":            {"failed to create the websocket connection...", "CW-GATEWAY-WEBSOCKET"},
		"ja 172: the agent's log has 403":       {"failed to create the websocket connection: 403 Forbidden", "CW-GATEWAY-RBAC"},
		"ja 174: too many streams":              {"generic::resource_exhausted: ゲートウェイの active_streams 割り当てが枯渇しました", "CW-GATEWAY-STREAMS"},
		"ja 178: failed or terminated":          {"generic::failed_precondition: エージェントへの接続失敗 / 中断", "CW-GATEWAY-AGENT CW-GATEWAY-SESSION"},
		"ja 188: no such resource type":         {"サーバーにリソースタイプがありません", "CW-GATEWAY-RESOURCE-TYPE"},
		"ja 189: no active connections":         {"クラスタにアクティブな接続が見つかりません(プロジェクト: 12345、メンバーシップ: my-cluster)", "CW-GATEWAY-NO-AGENT"},
		"ja 190: the URL was not found":         {"リクエストした URL はこのサーバーで見つかりませんでした", "CW-GATEWAY-ADDRESS"},
		"ja 191: no right to use the gateway":   {"ユーザー ID に Gateway API を使用する十分な権限がありません。", "CW-GATEWAY-ROLE"},
		"ja 192: the agent may not send":        {"Connect Agent にユーザーのリクエストを送信する権限がありません", "CW-GATEWAY-IMPERSONATE"},
		"ja 193: no rights in the cluster":      {"ユーザー ID に十分な RBAC 権限がないため、処理を実行できません", "CW-GATEWAY-FORBIDDEN"},
		"ja 194: rights by groups":              {"ユーザー ID に十分な権限がないため、Google グループまたはサードパーティ サポートの使用時に処理を実行できません", "CW-GATEWAY-GROUPS"},
		"ja 195: the agent is ill":              {"Connect Agent に異常があります", "CW-GATEWAY-AGENT"},
		"ja 196: the plugin is missing":         {"実行可能ファイル gke-gcloud-auth-plugin が見つかりません", "CW-GATEWAY-PLUGIN"},
		"ja 196: the provider is missing":       {"gcp という名前に認証プロバイダが見つかりません", "CW-GATEWAY-PLUGIN"},
		"ja 197: gcloud is too old":             {"古いバージョンの Google Cloud CLI で Gateway への接続が失敗します", "CW-GATEWAY-GCLOUD"},
		// Multi-cluster Services, zh: the descriptions of a member's state.
		"mcs 319: rules are made, no trouble":     {"code: OK\ndescription: Firewall successfully updated", ""},
		"mcs 344: rules are made, no trouble":     {"Firewall successfully created", ""},
		"mcs 346: rules are not made yet":         {"code: WARNING\ndescription: Firewall creation pending", "CW-MCS-FIREWALL"},
		"mcs 348: the cluster is gone":            {"code: ERROR\ndescription: GKE Cluster missing", "CW-MCS-CLUSTER-GONE"},
		"mcs 350: agents without rights, or APIs": {"Project that member lives in is missing required permissions and/or has not enabled all required APIs - additional setup steps are required", "CW-MCS-PROJECT"},
		"mcs 350, as YAML wraps it":               {"description: Project that member lives in is missing required permissions and/or\n          has not enabled all required APIs - additional setup steps are required", "CW-MCS-PROJECT"},
		"mcs 376: several VPCs":                   {"Multiple VPCs detected in the hub - VPC must be peered with other VPCs for successful connectivity", "CW-MCS-VPCS"},
		"mcs 378: another project than the hub's": {"Member does not exist in the same project as hub - additional setup steps are required, errors may occur if not completed.", "CW-MCS-CROSS-PROJECT"},
		"mcs 380: no GKE cluster":                 {"Non-GKE clusters are currently not supported", "CW-MCS-NOT-GKE"},

		"an API that is off, as each of them has": {"Connect Gateway API has not been used in project 123456 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/connectgateway.googleapis.com/overview?project=123456 then retry.", "CW-GCP-API-DISABLED"},
		"a cluster that may not be registered":    {"generic::permission_denied: Permission 'gkehub.memberships.create' denied on 'projects/p/locations/global/memberships/m'", "CW-FLEET-REGISTER"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if got := codesIn(test.text); got != test.codes {
				t.Errorf("%q\nsays %s, want %s", test.text, got, test.codes)
			}
			for _, f := range Recognise("before\n" + test.text + "\nafter") {
				if entry, ok := Lookup(f.Code); !ok || entry.Fix == "" || f.Line == "" {
					t.Errorf("%+v has no fix or no line", f)
				}
			}
		})
	}
}
