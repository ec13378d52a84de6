// SPDX-License-Identifier: Apache-2.0
internal import API
package import HTTP
internal import Model

extension Agent {
  /// Answers root on this host, over the local socket. Blocks as long as a plan of this node takes.
  package func answerLocally(_ request: HTTPRequest) -> HTTPResponse {
    do throws(Refusal) {
      switch Route.of(request, to: .local)?.route {
      case .propose: return .json(200, try proposals.propose(decode(request)))
      case .checkProposal: return .json(200, try proposals.check(decode(request)))
      case .withdrawProposal: return .json(200, try proposals.withdraw())
      case .ownProposal: return .json(200, proposals.wholeView())
      default: return .refusal(404, Route.unknown(request))
      }
    } catch { return .refusal(400, error) }
  }
}
