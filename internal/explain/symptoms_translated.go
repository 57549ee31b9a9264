package explain

// translatedSymptoms are the headings under which Google's pages on Connect Gateway
// describe an error, in Chinese, Japanese and Korean: who reads them there shows them
// so. The errors themselves come in English.
func translatedSymptoms() []symptom {
	const noAgent = `(?:找不到集群的有效连接|クラスタにアクティブな接続が見つかりません|클러스터)? ?[((]?(?:项目|プロジェクト|프로젝트) ?[::] ?(?P<project>[\w.-]+) ?[,,、] ?(?:成员资格|メンバーシップ|멤버십) ?[::] ?(?P<membership>[\w-]+)`
	says := func(code string, words ...string) symptom { return symptom{code: code, trust: likely, words: words} }
	return []symptom{
		{code: "CW-GATEWAY-NO-AGENT", trust: likely, words: []string{"成员资格", "メンバーシップ", "멤버십"}, form: noAgent},
		says("CW-GATEWAY-NO-AGENT", "找不到集群的有效连接", "クラスタにアクティブな接続が見つかりません", "활성 연결을 찾을 수 없음"),
		says("CW-GATEWAY-WEBSOCKET", "集群中遇到错误", "クラスタ内でエラーが発生しました", "클러스터 내에서 오류 발생"),
		{code: "CW-GATEWAY-AGENT", trust: likely, words: []string{"连接代理失败/终止", "エージェントへの接続失敗 / 中断", "에이전트 연결 실패/종료됨"}, refine: eitherEnd},
		says("CW-GATEWAY-AGENT", "connect 代理运行状况不佳", "connect agent に異常があります", "connect 에이전트가 비정상임", "connect agent is unhealthy"),
		says("CW-GATEWAY-ADDRESS", "在此服务器上找不到请求的网址", "リクエストした url はこのサーバーで見つかりませんでした", "이 서버에서 요청된 url을 찾을 수 없음"),
		says("CW-GATEWAY-ROLE", "用户身份权限不足,无法使用网关 api", "用户身份权限不足,无法使用网关 api", "ユーザー id に gateway api を使用する十分な権限がありません", "사용자 id에 게이트웨이 api를 사용하는데 충분한 권한이 없음"),
		says("CW-GATEWAY-IMPERSONATE", "connect 代理无权发送用户的请求", "connect agent にユーザーのリクエストを送信する権限がありません", "connect 에이전트가 사용자 요청을 전송하도록 승인되지 않음",
			"connect agent isn't authorized to send the user's request", "connect agent is not authorized to send the user's request"),
		says("CW-GATEWAY-FORBIDDEN", "用户身份没有足够的 rbac 权限", "ユーザー id に十分な rbac 権限がないため", "사용자 id에 작업을 수행하는 데 충분한 rbac 권한이 없음"),
		says("CW-GATEWAY-GROUPS", "使用 google 群组或第三方支持", "google グループまたはサードパーティ サポートの使用時", "google 그룹스 또는 서드 파티 지원을 사용할 때"),
		says("CW-GATEWAY-PLUGIN", "找不到可执行的 gke-gcloud-auth-plugin", "找不到名称 gcp 的身份验证提供商", "実行可能ファイル gke-gcloud-auth-plugin が見つかりません", "gcp という名前に認証プロバイダが見つかりません"),
		says("CW-GATEWAY-GCLOUD", "使用旧版 google cloud cli 与网关建立连接会失败", "古いバージョンの google cloud cli で gateway への接続が失敗します", "이전 버전의 google cloud cli로 인해 게이트웨이 연결 실패"),
		says("CW-GATEWAY-HEADER", "그룹의 크기가 8kb http 헤더 크기 제한을 초과", "8kb http 헤더 크기 제한"),
		{code: "CW-GATEWAY-RESOURCE-TYPE", trust: likely, vague: true, words: []string{"服务器没有资源类型", "サーバーにリソースタイプがありません", "서버에 리소스 유형이 없음"}},
	}
}

// eitherEnd is for a heading that says both.
func eitherEnd(*text, int, map[string]string) []string {
	return []string{"CW-GATEWAY-AGENT", "CW-GATEWAY-SESSION"}
}
