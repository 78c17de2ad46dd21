// Reads inputs (4 bytes of length, big-endian, then bytes) and says in a line for each what node's parser finds in it.
'use strict';
process.removeAllListeners('warning');
const fs = require('fs');
const { methods, HTTPParser } = process.binding('http_parser');

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

// Blanks around a value are none of it.
const trim = (text) => text.replace(/^[ \t]+|[ \t]+$/g, '');

function read(bytes) {
  const found = [];
  let request = null, fields = [], url = '', end = 'N';
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {});
  // Many fields come in parts, the target with the first of them.  So do trailers, which are nobody's here.
  parser[HTTPParser.kOnHeaders | 0] = (more, part) => {
    if (request !== null) return;
    fields = fields.concat(more);
    url += part;
  };
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, more, method, target, status, text, upgrade, keepAlive) => {
    fields = fields.concat(more || []);
    if (target) url += target;
    request = { line: `${methods[method]} ${hex(url)} ${major}.${minor}`, body: [], upgrade, keepAlive, fields: '' };
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i].toLowerCase(), value = trim(fields[i + 1]);
      // Codings have no case, and h11 gives them in lower case.
      request.fields += hex(name + ':' + (name === 'transfer-encoding' ? value.toLowerCase() : value) + '\n');
    }
    fields = [];
    url = '';
    return 0;
  };
  parser[HTTPParser.kOnBody | 0] = (body) => { request.body.push(Buffer.from(body)); };
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    found.push(`${request.line} ${request.fields || '-'} ${Buffer.concat(request.body).toString('hex') || '-'}`);
    if (!request.keepAlive) end = 'K';
    if (request.upgrade) end = 'U';
    request = null;
  };
  const result = parser.execute(bytes);
  if (result instanceof Error && end === 'N') end = 'E';
  parser.close();
  return found.concat(end).join('\t');
}

const input = fs.readFileSync(0);
const lines = [];
for (let at = 0; at < input.length;) {
  const count = input.readUInt32BE(at);
  lines.push(read(input.subarray(at + 4, at + 4 + count)));
  at += 4 + count;
}
fs.writeFileSync(1, lines.join('\n') + '\n');
