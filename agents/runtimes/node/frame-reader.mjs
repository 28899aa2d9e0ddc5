/** Takes bytes as they come from the agent and hands on whole frames. */
export function frameReader(onFrame) {
  let rest = Buffer.alloc(0);
  let chunks = [];
  let bytes = 0;
  let needed = 4;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < needed) return;
    rest = chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes);
    needed = 4;
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (rest.length < 4 + length) {
        needed = 4 + length;
        break;
      }
      onFrame(rest.readUInt8(4), rest.readUInt32BE(5), rest.subarray(9, 4 + length));
      rest = rest.subarray(4 + length);
    }
    chunks = rest.length === 0 ? [] : [rest];
    bytes = rest.length;
  };
}
