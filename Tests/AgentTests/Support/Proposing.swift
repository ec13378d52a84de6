// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import Testing

/// What the tests propose.
enum Proposed {
  static let request = RolloutRequest(kind: .apply, changes: enabling)
  static let other = RolloutRequest(
    kind: .apply, changes: [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))])
}

/// Asks an agent over its local socket's API, as `keyturn propose` does.
func local(
  _ agent: Agent, _ method: String, _ path: String, _ request: RolloutRequest? = nil
) throws -> ProposalsView {
  let response = agent.answerLocally(
    HTTPRequest(method, path, body: request.map { JSON.encode($0) } ?? []))
  #expect(response.status == 200, "\(String(decoding: response.body, as: UTF8.self))")
  return try JSON.decode(ProposalsView.self, from: response.body)
}

func propose(_ agent: Agent, _ request: RolloutRequest = Proposed.request) throws -> ProposalsView {
  try local(agent, "POST", "/v1/proposal", request)
}
