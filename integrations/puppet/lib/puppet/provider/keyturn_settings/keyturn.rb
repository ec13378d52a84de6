# frozen_string_literal: true

# SPDX-License-Identifier: Apache-2.0

require_relative '../../../puppet_x/keyturn/proposal'

Puppet::Type.type(:keyturn_settings).provide(:keyturn) do
  desc 'Runs the installed keyturn, on a node, as root.'

  attr_reader :message

  # Does it, and says whether that has changed anything.
  def act(should)
    result = PuppetX::Keyturn::Proposal.new(**(should == :absent ? { withdraw: true } : wanted)).run
    @message = result['message']
    result['changed'] == true
  rescue PuppetX::Keyturn::Failure => e
    raise Puppet::Error, e.message
  end

  # The change was made when it was asked for.
  def done; end

  private

  def wanted
    %i[settings secrets unset api_key_file create_key wait].to_h { |name| [name, resource[name]] }
  end
end
