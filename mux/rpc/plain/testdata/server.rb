# Answers requests of type 100 with replies of type 200, as sysvmq's manual has it.
require 'json'
require 'sysvmq'

queue = SysVMQ.new([Integer(ARGV[0])].pack('q').unpack1('l'), 8192, 0o600)
begin
  loop do
    request = JSON.parse(queue.receive(100))
    queue.send(JSON.generate(square: request['n']**2, id: request['id']), 200)
  end
rescue Errno::EIDRM, Errno::EINVAL # the queue was removed
  exit
end
