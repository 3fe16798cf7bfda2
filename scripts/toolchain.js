'use strict';
// What building the addon needs, looked for before minutes are spent on it.
const { spawnSync } = require('node:child_process');

const runs = (command, args, input) =>
  spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'], timeout: 30_000 }).status === 0;

/** The compiler that make and CMake take: CXX may hold arguments. */
function compiler() {
  const [command, ...args] = (process.env.CXX || 'c++').split(' ').filter(Boolean);
  return { command, args };
}

/** Headers that came with the language: a compiler that only knows the flag is not enough. */
function compilesCxx20({ command, args }) {
  const program =
    '#include <bit>\n#include <concepts>\n#include <span>\nint main() { return std::span<int>().size(); }\n';
  return runs(command, [...args, '-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], program);
}

/**
 * Names of what is not there, of `tools`. Windows' own build tools are found by node-gyp and CMake alone, so nothing is looked for there.
 *
 * @param {readonly ('make' | 'python' | 'cmake')[]} tools beside the compiler
 */
function lacking(tools = ['make', 'python']) {
  if (process.platform === 'win32') return [];
  const cxx = compiler();
  const named = process.env.CXX ? `CXX=${process.env.CXX}` : cxx.command;
  const missing = [];
  if (!runs(cxx.command, [...cxx.args, '--version'])) missing.push(`C++ compiler (${named})`);
  else if (!compilesCxx20(cxx)) missing.push(`C++20 in the C++ compiler (${named})`);
  if (tools.includes('cmake') && !runs('cmake', ['--version'])) missing.push('CMake');
  if (tools.includes('make') && !runs(process.env.MAKE || 'make', ['--version'])) missing.push('make');
  const pythons = [process.env.npm_config_python, process.env.PYTHON, 'python3', 'python'].filter(Boolean);
  if (tools.includes('python') && !pythons.some((python) => runs(python, ['--version']))) missing.push('Python');
  return missing;
}

module.exports = { lacking };
