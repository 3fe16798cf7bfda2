import { createSocket } from 'node:dgram';
import dns from 'node:dns/promises';
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { isPublicAddress } from '../../../lib/serve/security/addresses';
import { fetchImage, internet, type Network } from '../../../lib/serve/security/remote-image';
import { RequestError } from '../../../lib/serve/request-error';

const PUBLIC = '93.184.216.34';

describe('pictures from elsewhere', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => (server.closeAllConnections(), server.close())));

  /** A network whose every public address leads to one local server; notes what is resolved and connected to. */
  async function network(hosts: Record<string, string[]>, listener: RequestListener) {
    const server = http.createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const seen = { resolved: [] as string[], connected: [] as string[] };
    const fake: Network = {
      resolve: (host) => {
        seen.resolved.push(host);
        return hosts[host] ? Promise.resolve(hosts[host]) : Promise.reject(new Error('ENOTFOUND'));
      },
      request: (url, addresses, signal) => {
        seen.connected.push(`${url.hostname} at ${addresses.join()}`);
        return new Promise<IncomingMessage>((resolve, reject) => {
          const options = { host: '127.0.0.1', port, path: url.pathname, headers: { host: url.host }, signal };
          http.get(options, resolve).on('error', reject);
        });
      },
    };
    const options = { maxBytes: 1000, timeoutMs: 500, signal: new AbortController().signal, param: 'image' };
    return { seen, fetch: (url: string, more = {}) => fetchImage(url, { ...options, ...more }, fake) };
  }

  const picture: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'image/png' }).end('picture');
  };

  async function refused(promise: Promise<unknown>, status: number, code: string): Promise<void> {
    const error: unknown = await promise.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.be.instanceOf(RequestError);
    expect(error).to.include({ status, code, param: 'image' });
  }

  it('come from public addresses, over a connection to the address that was checked', async () => {
    const addresses = [PUBLIC, '2606:2800:220:1::1'];
    const { seen, fetch } = await network({ 'example.org': addresses }, picture);
    expect((await fetch('https://example.org/a.png')).toString()).to.equal('picture');
    expect(seen).to.deep.equal({ resolved: ['example.org'], connected: [`example.org at ${addresses.join()}`] });
  });

  it('have names that servers of names are asked for, which takes no thread of those that decode', async () => {
    const names = createSocket('udp4').bind(0, '127.0.0.1');
    await once(names, 'listening');
    // 1.2.3.4 for whoever asks for an address of IPv4, nothing for others.
    names.on('message', (query, { port }) => {
      const typeAt = query.indexOf(0, 12) + 1;
      const answers = query.readUInt16BE(typeAt) === 1 ? 1 : 0;
      const head = [query[0]!, query[1]!, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0];
      const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4];
      const question = query.subarray(12, typeAt + 4);
      names.send(Buffer.from([...head, ...question, ...(answers ? record : [])]), port, '127.0.0.1');
    });
    const before = dns.getServers();
    dns.setServers([`127.0.0.1:${names.address().port}`]);
    try {
      expect(await internet.resolve('known.example')).to.deep.equal(['1.2.3.4']);
    } finally {
      dns.setServers(before);
      names.close();
    }
  });

  it('do not come from addresses that are not public, however those are written', async () => {
    const hosts = {
      'private.example': ['10.0.0.1'],
      'mixed.example': [PUBLIC, '169.254.169.254'],
      'mapped.example': ['::ffff:127.0.0.1'],
      'nothing.example': [],
      localhost: ['127.0.0.1', '::1'],
    };
    const { seen, fetch } = await network(hosts, picture);
    const urls = [
      ...Object.keys(hosts),
      'unknown.example',
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '0.0.0.0',
      '192.168.1.1',
      '172.16.0.1',
      '100.64.0.1',
      '169.254.169.254',
      '[::1]',
      '[::]',
      '[::ffff:10.0.0.1]',
      '[::127.0.0.1]',
      '[::a9fe:a9fe]',
      '[64:ff9b::7f00:1]',
      '[64:ff9b:1::1]',
      '[::ffff:0:7f00:1]',
      '[2001:0:7f00:1::]',
      '[fec0::1]',
      '[2002:7f00:1::]',
      '[fe80::1]',
      '[fc00::1]',
      '224.0.0.1',
      '255.255.255.255',
    ];
    for (const host of urls) await refused(fetch(`https://${host}/`), 400, 'remote_image_refused');
    expect(seen.connected).to.deep.equal([]);
  });

  it('are named by plain https: URLs only', async () => {
    const { seen, fetch } = await network({ 'example.org': [PUBLIC] }, picture);
    for (const url of [
      'http://example.org/',
      'https://example.org:8443/',
      'https://user@example.org/',
      'https://user:password@example.org/',
      'https://',
      'https:// ',
      'ftp://example.org/',
      'file:///etc/passwd',
      'gopher://example.org/',
    ]) {
      await refused(fetch(url), 400, 'invalid_image_url');
    }
    expect(seen.connected).to.deep.equal([]);
  });

  it('are followed through redirects, each of which is checked as the first', async () => {
    const hosts = { 'a.example': [PUBLIC], 'b.example': ['93.184.216.35'], 'inside.example': ['10.0.0.1'] };
    const to: Record<string, string> = {
      '/start': 'https://b.example/end',
      '/inside': 'https://inside.example/',
      '/literal': 'https://169.254.169.254/latest/meta-data',
      '/plain': 'http://b.example/end',
      '/round': '/round',
    };
    const { seen, fetch } = await network(hosts, (request, response) => {
      const location = to[request.url ?? ''];
      if (location === undefined) return picture(request, response);
      response.writeHead(302, { location }).end();
    });
    expect((await fetch('https://a.example/start')).toString()).to.equal('picture');
    expect(seen.connected).to.deep.equal([`a.example at ${PUBLIC}`, 'b.example at 93.184.216.35']);
    await refused(fetch('https://a.example/inside'), 400, 'remote_image_refused');
    await refused(fetch('https://a.example/literal'), 400, 'remote_image_refused');
    await refused(fetch('https://a.example/plain'), 400, 'invalid_image_url');
    await refused(fetch('https://a.example/round'), 400, 'remote_image_redirects');
    expect(seen.connected.filter((one) => !/^[ab]\.example at 93/.test(one))).to.deep.equal([]);
  });

  it('may be three redirects away, and not four', async () => {
    const { seen, fetch } = await network({ 'a.example': [PUBLIC] }, (request, response) => {
      const left = Number(request.url!.slice(1));
      if (left === 0) response.writeHead(200, { 'content-type': 'image/png' }).end('picture');
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    expect((await fetch('https://a.example/3')).toString()).to.equal('picture');
    expect(seen.connected).to.have.length(4);
    await refused(fetch('https://a.example/4'), 400, 'remote_image_redirects');
  });

  it('are resolved once: a name that changes its address meanwhile is connected to where it was checked', async () => {
    const hosts: Record<string, string[]> = { 'rebinding.example': [PUBLIC] };
    const { seen, fetch } = await network(hosts, picture);
    const fetching = fetch('https://rebinding.example/');
    hosts['rebinding.example'] = ['127.0.0.1'];
    await fetching;
    expect(seen).to.deep.equal({ resolved: ['rebinding.example'], connected: [`rebinding.example at ${PUBLIC}`] });
    await refused(fetch('https://rebinding.example/'), 400, 'remote_image_refused');
  });

  it('are bounded in bytes, announced or not, in time and in kind', async () => {
    let sent = 0;
    const { fetch } = await network({ 'example.org': [PUBLIC] }, (request, response) => {
      const head = { 'content-type': 'image/png' };
      const endless = (): void => {
        sent += 1000;
        if (!response.destroyed && sent < 1e9) response.write('x'.repeat(1000), () => setImmediate(endless));
      };
      const replies: Record<string, () => void> = {
        '/announced': () => response.writeHead(200, { ...head, 'content-length': '5000' }).end('x'.repeat(5000)),
        '/endless': () => (response.writeHead(200, head), endless()),
        '/silent': () => response.writeHead(200, head).write('x'),
        '/never': () => undefined,
        '/text': () => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
        '/untyped': () => response.writeHead(200).end('x'),
        '/gzip': () => response.writeHead(200, { ...head, 'content-encoding': 'gzip' }).end('x'),
        '/missing': () => response.writeHead(404, head).end('x'),
        '/broken': () => response.destroy(),
      };
      replies[request.url ?? '']?.();
    });
    const at = (path: string) => fetch(`https://example.org${path}`);
    await refused(at('/announced'), 413, 'image_too_large');
    await refused(at('/endless'), 413, 'image_too_large');
    expect(sent).to.be.lessThan(1e8);
    await refused(at('/silent'), 504, 'remote_image_timeout');
    await refused(at('/never'), 504, 'remote_image_timeout');
    for (const path of ['/text', '/untyped', '/gzip']) await refused(at(path), 400, 'not_an_image');
    for (const path of ['/missing', '/broken']) await refused(at(path), 502, 'remote_image_failed');
  });

  it('stop when the client leaves', async () => {
    const { fetch } = await network({ 'example.org': [PUBLIC] }, () => undefined);
    const controller = new AbortController();
    const fetching = fetch('https://example.org/', { signal: controller.signal, timeoutMs: 60_000 });
    setTimeout(() => controller.abort(new Error('gone')), 20);
    expect(await fetching.catch((error: Error) => error.message)).to.equal('gone');
  });

  it('are asked for at the checked addresses by the real network too, one after the other', async () => {
    // Nothing listens there; what matters is where the connections go.
    const url = new URL('https://no-such-host.invalid/');
    const ask = (addresses: string[]) =>
      internet.request(url, addresses, AbortSignal.timeout(5000)).catch((failure: unknown) => failure);
    expect(await ask(['127.0.0.1'])).to.include({ code: 'ECONNREFUSED', address: '127.0.0.1', port: 443 });
    const { errors } = (await ask(['127.0.0.1', '127.0.0.2'])) as AggregateError;
    expect((errors as { address: string }[]).map(({ address }) => address)).to.deep.equal(['127.0.0.1', '127.0.0.2']);
  });

  it('know public addresses', () => {
    for (const address of [PUBLIC, '8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])
      expect(isPublicAddress(address), address).to.equal(true);
    for (const address of [
      '',
      'x',
      '::ffff:192.168.0.1',
      '198.18.0.1',
      '240.0.0.1',
      'ff02::1',
      '2001:db8::1',
      '2001::1',
      '::7f00:1',
      '5f00::1',
      'fe80::1%eth0',
      '::ffff:10.0.0.1%1',
      '127.1',
      '2130706433',
    ]) {
      expect(isPublicAddress(address), address).to.equal(false);
    }
  });
});
