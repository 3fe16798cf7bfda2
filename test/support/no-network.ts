/**
 * Loaded before all tests: nothing asks a real hub, and what the user has in a cache changes no result. Port 9 refuses; tests with a hub of
 * their own name it.
 */
import { tmpdir } from 'node:os';
import path from 'node:path';

const SETTINGS = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_OFFLINE', 'HF_HUB_DOWNLOAD_TIMEOUT'];
for (const name of SETTINGS) delete process.env[name];
process.env.HF_ENDPOINT = 'http://127.0.0.1:9';
process.env.HF_HUB_CACHE = path.join(tmpdir(), 'qavit-test-without-cache');
// ONNX Runtime, where a test or a library has it in this process.
process.env.ORT_DISABLE_TELEMETRY = '1';
