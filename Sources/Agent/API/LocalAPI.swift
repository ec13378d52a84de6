// SPDX-License-Identifier: Apache-2.0
internal import API
package import HTTP
internal import Model
internal import Rollout
internal import Threads

extension Agent {
  /// Answers root on this host, over the local socket:
  ///
  ///     POST /v1/proposal            RolloutRequest   -> ProposalsView
  ///     POST /v1/proposal/withdraw                  -> ProposalsView
  ///     GET  /v1/proposal                           -> ProposalsView
  ///
  /// Blocks as long as a plan of this node takes.
  package func answerLocally(_ request: HTTPRequest) -> HTTPResponse {
    do throws(Refusal) {
      switch (request.method, request.path) {
      case ("POST", "/v1/proposal"): return .json(200, try proposals.propose(decode(request)))
      case ("POST", "/v1/proposal/withdraw"): return .json(200, try proposals.withdraw())
      case ("GET", "/v1/proposal"): return .json(200, proposals.wholeView())
      default:
        return .json(
          404,
          ErrorAnswer(
            kind: .validation,
            message: "there is no \(request.method) \(request.path) on the agent's local socket"))
      }
    } catch {
      return .json(400, ErrorAnswer(kind: error.code, message: error.message))
    }
  }
}
