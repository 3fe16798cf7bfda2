/**
 * What `npm install` does where there is no package for a platform: builds the tarball's own sources with the node-gyp that npm carries. It
 * takes minutes, so `npm test` leaves it out; `npm run test:install` runs it.
 */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { InstalledPackage } from './installed';

describe('installed package, built from source', function () {
  this.timeout(0);

  it('builds with what its tarball holds, leaves the addon alone behind, and answers', () => {
    using installed = new InstalledPackage();
    const { status, stdout, stderr } = installed.rebuild();
    expect(status, (stdout + stderr).slice(-4000)).to.equal(0);
    expect(stdout + stderr).to.match(/tried .*@qavit\/\S+ \(not installed\)\. Building it from source/);
    const left = readdirSync(installed.at('node_modules', 'qavit', 'build', 'Release'));
    expect(left).to.include('qavit.node').and.not.include('obj.target');

    const demo = installed.run('npx', ['--no-install', 'qavit', 'demo', '--json']);
    expect(demo.status, demo.stderr).to.equal(0);
    const { answers, right } = JSON.parse(demo.stdout) as { answers: unknown[]; right: number };
    expect(right).to.be.at.least(answers.length - 1);
    // What works already is left alone.
    expect(installed.rebuild({ CXX: installed.at('no-compiler') }).status).to.equal(0);
  });
});
