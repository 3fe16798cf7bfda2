'use strict';
// Requires every entry of the installed package and prints what each exports.
const entries = ['qavit', 'qavit/ops', 'qavit/serve', 'qavit/transformers', 'qavit/vllm'];
console.log(JSON.stringify(Object.fromEntries(entries.map((name) => [name, Object.keys(require(name)).sort()]))));
