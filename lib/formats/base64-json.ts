/** Stands for a tensor's base64 in a body. Its field comes before everything that others choose. */
export const HERE = 'here';

/** JSON.stringify would look for something to escape in megabytes that need no escape, and what sends the text would encode them once more. */
export function jsonWithBase64(body: object, base64: string): Buffer {
  const json = JSON.stringify(body);
  const at = json.indexOf(`"${HERE}"`) + 1;
  const [before, after] = [json.slice(0, at), json.slice(at + HERE.length)];
  return Buffer.concat([Buffer.from(before), Buffer.from(base64, 'latin1'), Buffer.from(after)]);
}
