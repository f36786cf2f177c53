// Waits for a message of type argv[3] in the queue with the key argv[2], and answers
// with that type plus 100. Needs the module svmq.
const [key, type] = process.argv.slice(2).map(Number);
const queue = require('svmq').open(key, 0x600); // hexadecimal: its digits are read as octal
queue.pop({type}, (err, text) => {
  if (err) throw err;
  const answer = Buffer.from(`Node heard "${text}"`);
  // push does not keep the bytes until they are sent, but the callback does.
  queue.push(answer, {type: type + 100}, (err) => { if (err) throw err; return answer; });
});
// No close(): that would remove the queue.
