# Waits for a message of type ARGV[1] in the queue with the key ARGV[0], and answers
# with that type plus 100. Calls the C library with Fiddle, which comes with Ruby.
require 'fiddle'

def function(name, *types, returns: Fiddle::TYPE_INT)
  f = Fiddle::Function.new(Fiddle.dlopen(nil)[name], types, returns)
  ->(*args) { (n = f.call(*args)) == -1 ? raise(SystemCallError.new(name, Fiddle.last_error)) : n }
end

int, long, pointer = Fiddle::TYPE_INT, Fiddle::TYPE_LONG, Fiddle::TYPE_VOIDP
msgget = function('msgget', int, int)
msgrcv = function('msgrcv', int, pointer, long, long, int, returns: long)
msgsnd = function('msgsnd', int, pointer, long, int)

key, type = ARGV.map(&:to_i)
queue = msgget.call(key, 0)
buffer = "\0" * 8200
n = msgrcv.call(queue, buffer, 8192, type, 0)
# The type is a C long before the text.
text = "Ruby heard \"#{buffer.unpack("l!a#{n}").last}\""
msgsnd.call(queue, [type + 100, text].pack('l!a*'), text.bytesize, 0)
