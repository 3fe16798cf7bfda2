'use strict';
// `node scripts/check-cubins.js build-cuda`: reads the machine code of every kernel that `npm run build:cuda` compiled, and fails
// unless the sm_90a matrix product and attention hold wgmma instructions (HGMMA), no kernel keeps anything in local memory, which is
// where registers are spilled to, every kernel waits for those before it (ACQBULK, device/dependent_launch.cuh) before it reads or
// writes global memory, and norms store 16 bytes at a time, which the compiler splits where it is let. The toolkit's own disassembler
// is not needed: an instruction takes 16 bytes, and the low 12 bits of the first say which it is. Numbers are those that appear and
// vanish as small kernels with and without the instruction are compiled.
const { readdirSync, readFileSync } = require('node:fs');
const { join, relative } = require('node:path');

const OPCODES = { HGMMA: [0x9f0], LDL: [0x983], STL: [0x387, 0x987] };
const WAIT = 0x82e;
/** LD, LDG, ST, STG, ATOM, ATOMG, RED and REDG, LDGSTS (cp.async), UTMALDG and UTMASTG (tensor copies). */
const GLOBAL = new Set([0x980, 0x981, 0x985, 0x986, 0x98a, 0x9a2, 0x98e, 0x9a6, 0xfae, 0x5b4, 0x3b5]);
/** The first generation (sm) whose kernels may overlap. */
const OVERLAPPING = 90;
const TENSOR_LOAD = 0x5b4;
/** Operations whose sm_90a kernels copy weights, which no kernel writes, before they wait; test/cuda/hopper holds them to weights. */
const EARLY_WEIGHTS = ['linear'];
/** STG, the bits of its second 8 bytes that say how much is stored, and what they are for 16 bytes. */
const STORE = { opcode: 0x986, shift: 9, mask: 7, sixteen: 6 };
/** Folders of operations whose sm_90a kernels are built around wgmma. */
const WGMMA = ['linear', 'concat_attention'];

/** Sections of a 64-bit little-endian ELF file that starts at `base`: { name, offset, size }, and its flags. */
function readElf(bytes, base) {
  const at = (offset) => base + offset;
  const number = (offset) => Number(bytes.readBigUInt64LE(offset));
  const [table, entry, count] = [number(at(0x28)), bytes.readUInt16LE(at(0x3a)), bytes.readUInt16LE(at(0x3c))];
  const header = (i) => at(table + i * entry);
  const names = at(number(header(bytes.readUInt16LE(at(0x3e))) + 0x18));
  const sections = Array.from({ length: count }, (_, i) => {
    const start = names + bytes.readUInt32LE(header(i));
    const name = bytes.toString('latin1', start, bytes.indexOf(0, start));
    return { name, offset: at(number(header(i) + 0x18)), size: number(header(i) + 0x20) };
  });
  return { sections, flags: bytes.readUInt32LE(at(0x30)) };
}

/** How often each opcode of interest occurs in one kernel, how many accesses to global memory but `allowed` come before its wait, and how
 * many stores to it are of less than 16 bytes. */
function countOpcodes(bytes, { offset, size }, allowed) {
  const opcodes = Array.from({ length: size / 16 }, (_, i) => bytes.readUInt16LE(offset + 16 * i) & 0xfff);
  const counts = Object.entries(OPCODES).map(([name, forms]) => [
    name,
    opcodes.filter((o) => forms.includes(o)).length,
  ]);
  const wait = opcodes.indexOf(WAIT);
  const narrow = opcodes.filter((opcode, i) => {
    const width = (bytes.readUInt16LE(offset + 16 * i + 8) >> STORE.shift) & STORE.mask;
    return opcode === STORE.opcode && width !== STORE.sixteen;
  }).length;
  const before = opcodes.slice(0, wait < 0 ? undefined : wait);
  const early = before.filter((opcode) => GLOBAL.has(opcode) && opcode !== allowed).length;
  return { ...Object.fromEntries(counts), waits: wait >= 0, early, narrow };
}

function isOfHopper(file, operation) {
  return file.includes('qavit_cuda_sm90.dir') && file.includes(`/${operation}/`);
}

/** Every kernel in an object file, once for each architecture. */
function kernelsOf(file) {
  const bytes = readFileSync(file);
  const allowed = EARLY_WEIGHTS.some((operation) => isOfHopper(file, operation)) ? TENSOR_LOAD : undefined;
  const kernels = [];
  for (const fatbin of readElf(bytes, 0).sections.filter(({ name }) => name === '.nv_fatbin')) {
    const end = fatbin.offset + fatbin.size;
    for (let at = bytes.indexOf('\x7fELF', fatbin.offset, 'latin1'); at >= 0 && at < end;) {
      const { sections, flags } = readElf(bytes, at);
      for (const section of sections.filter(({ name }) => name.startsWith('.text.'))) {
        const counts = countOpcodes(bytes, section, allowed);
        kernels.push({ file, name: section.name.slice(6), sm: (flags >> 8) & 0xff, ...counts });
      }
      at = bytes.indexOf('\x7fELF', at + 4, 'latin1');
    }
  }
  return kernels;
}

const [folder = 'build-cuda'] = process.argv.slice(2);
const objects = readdirSync(folder, { recursive: true })
  .filter((name) => /qavit_cuda(_sm90)?\.dir.*\.cu\.o(bj)?$/.test(name))
  .map((name) => join(folder, name));
const kernels = objects.flatMap(kernelsOf);
const failures = [];

for (const { file, name, sm, LDL, STL, waits, early, narrow } of kernels) {
  const fail = (what) => failures.push(`${relative(folder, file)}: ${name} for sm_${sm} ${what}`);
  if (LDL + STL > 0) fail(`uses local memory (${LDL} loads, ${STL} stores)`);
  if (name.includes('norm_warp_kernel') && narrow > 0) fail(`stores less than 16 bytes at a time in ${narrow} places`);
  if (sm < OVERLAPPING) continue;
  if (!waits) fail('never waits for the kernels before it');
  else if (early > 0) fail(`uses global memory ${early} times before it waits for the kernels before it`);
}
for (const operation of WGMMA) {
  const own = kernels.filter(({ file }) => isOfHopper(file, operation));
  const instructions = own.reduce((sum, { HGMMA }) => sum + HGMMA, 0);
  console.log(`${operation} for sm_90a: ${own.length} kernels, ${instructions} wgmma instructions`);
  if (instructions === 0) failures.push(`${operation} for sm_90a holds no wgmma instruction`);
}
const architectures = [...new Set(kernels.map(({ sm }) => sm))].sort((a, b) => a - b);
console.log(
  `${kernels.length} kernels in ${objects.length} objects, for ${architectures.map((sm) => `sm_${sm}`).join(', ')}`,
);
if (kernels.length === 0) failures.push(`no kernel was found in ${folder}`);
for (const failure of failures) console.error(`[qavit] ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
