/** Small pieces of SVG. Every text that reaches an element goes through `escapeXml`; nothing here refers to anything outside. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** What XML 1.0 does not allow even as a reference: control characters and the two non-characters. */
// eslint-disable-next-line no-control-regex -- naming the control characters is the purpose
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g;

/** Any string as XML character data or attribute value. */
export function escapeXml(text: string): string {
  // Through UTF-8, which replaces the halves of surrogate pairs.
  return Buffer.from(text)
    .toString()
    .replace(NOT_XML, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

export type Attributes = Readonly<Record<string, string | number>>;

function attributesOf(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value))}"`)
    .join('');
}

/** `<name .../>`, or with `children` (markup, already escaped) `<name ...>children</name>`. */
export function element(name: string, attributes: Attributes, children = ''): string {
  return children === ''
    ? `<${name}${attributesOf(attributes)}/>`
    : `<${name}${attributesOf(attributes)}>${children}</${name}>`;
}

/** A whole document of `width` x `height` pixels. */
export function document(width: number, height: number, children: readonly string[]): string {
  return element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}` },
    children.join(''),
  );
}
