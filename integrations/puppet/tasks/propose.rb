#!/usr/bin/env ruby
# frozen_string_literal: true

# SPDX-License-Identifier: Apache-2.0
# A task of Bolt: parameters as JSON from standard input, one JSON object as the answer.

require 'json'

parameters = JSON.parse($stdin.read)
require File.join(parameters['_installdir'], 'keyturn/lib/puppet_x/keyturn/proposal.rb')

names = %w[settings secrets unset create_key wait withdraw]
wanted = parameters.slice(*names).compact.to_h { |name, value| [name.to_sym, value] }
begin
  result = PuppetX::Keyturn::Proposal.new(**wanted).run
  puts JSON.generate(result.slice('changed', 'outcome', 'message'))
rescue PuppetX::Keyturn::Failure => e
  details = { 'exit_code' => e.exit_code }.compact
  puts JSON.generate('_error' => { 'kind' => 'keyturn/refused', 'msg' => e.message, 'details' => details })
  exit 1
end
