# Makes so many calls, with requests of type 100 and replies of type 200.
require 'json'
require 'sysvmq'

queue = SysVMQ.new([Integer(ARGV[0])].pack('q').unpack1('l'), 8192, 0o600)
right = 0
(1..ARGV[1].to_i).each do |id|
  queue.send(JSON.generate(id: id, n: id), 100)
  reply = JSON.parse(queue.receive(200))
  right += 1 if reply == { 'square' => id * id, 'id' => id }
end
puts "#{right} right"
