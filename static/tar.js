// Pack chosen files as one tar without reading them: the browser takes their bytes when a part is sent. So a thousand
// images travel as one resumable upload. Format: POSIX ustar, with a pax header where a name is longer than 100 bytes.
"use strict";

window.packTar = (files, name) => {
  const BLOCK = 512;
  const MAX_SIZE = 8 ** 11 - 1;
  const encoder = new TextEncoder();

  function header(path, size, type) {
    const block = new Uint8Array(BLOCK);
    const put = (text, at) => block.set(encoder.encode(text), at);
    const octal = (value, digits) => `${value.toString(8).padStart(digits, "0")}\0`;
    put(path, 0);
    put(octal(0o600, 7), 100);
    put(octal(0, 7), 108);
    put(octal(0, 7), 116);
    put(octal(size, 11), 124);
    put(octal(0, 11), 136); // no time: the same files give the same bytes, so an upload resumes
    put(" ".repeat(8), 148);
    put(type, 156);
    put("ustar\u000000", 257);
    const sum = block.reduce((total, byte) => total + byte, 0);
    put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return block;
  }

  const padding = (size) => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

  // `length key=value\n`, where the length counts its own digits.
  function paxRecord(path) {
    const rest = encoder.encode(` path=${path}\n`).length;
    let length = rest + 1;
    while (String(length).length + rest !== length) length = String(length).length + rest;
    return encoder.encode(`${length} path=${path}\n`);
  }

  function member(file) {
    if (file.size > MAX_SIZE) throw new Error(`${file.name} is larger than 8 GB; send a .zip instead.`);
    const path = file.webkitRelativePath || file.name;
    const isLong = encoder.encode(path).length > 100;
    const pieces = [];
    if (isLong) {
      const record = paxRecord(path);
      pieces.push(header("pax", record.length, "x"), record, padding(record.length));
    }
    pieces.push(header(isLong ? "long-name" : path, file.size, "0"), file, padding(file.size));
    return pieces;
  }

  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  const newest = Math.max(...sorted.map((file) => file.lastModified));
  return new File([...sorted.flatMap(member), new Uint8Array(2 * BLOCK)], name, { lastModified: newest });
};
