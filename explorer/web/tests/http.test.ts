import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { readRange, readText } from "../src/data/http";

const CONTENT = Buffer.from("0123456789");
let server: Server | undefined;

/** A server on loopback that answers in this way; returns a file on it. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void, path = "a.parquet") {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}` };
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const text = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes);

describe("a part of a file", () => {
  test("is asked for by its bytes", async () => {
    const file = await serve((request, response) => {
      expect(request.headers.range).toBe("bytes=2-4");
      response.writeHead(206).end(CONTENT.subarray(2, 5));
    });
    expect(text(await readRange(file, 2, 5))).toBe("234");
  });

  test("is cut out of what a server without ranges sends, if that is not too much", async () => {
    const small = await serve((_, response) => response.end(CONTENT));
    expect(text(await readRange(small, 2, 5))).toBe("234");
    server!.close();
    const large = await serve((_, response) => {
      response.writeHead(200, { "Content-Length": 2 ** 30 });
      response.write(CONTENT);
    });
    await expect(readRange(large, 2, 5)).rejects.toThrow("a.parquet: this server sends whole files only");
  });

  test("of no bytes asks for nothing", async () => {
    expect((await readRange({ url: "http://127.0.0.1:1/" }, 5, 5)).byteLength).toBe(0);
  });
});

describe("a request", () => {
  test("is repeated while the server is too busy", async () => {
    let requests = 0;
    const file = await serve((_, response) => {
      requests += 1;
      response.writeHead(requests < 3 ? 503 : 200).end("at last");
    });
    expect(await readText(file)).toBe("at last");
    expect(requests).toBe(3);
  });

  test.each([
    [401, "data/ü.parquet", "paste a token that may read it"],
    [404, "data/ü.parquet", "data/ü.parquet: there is no such file (404)."],
    [404, "data/%zz", "data/%zz: there is no such file (404)."],
    [418, "data/x", "data/x: the server answered 418."],
  ])("that is refused with %i is explained", async (status, path, message) => {
    let requests = 0;
    const file = await serve((_, response) => {
      requests += 1;
      response.writeHead(status).end();
    }, path);
    await expect(readText(file)).rejects.toThrow(message);
    expect(requests).toBe(1);
  });

  test("shows a token only where one is given", async () => {
    const seen: (string | undefined)[] = [];
    const file = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    await readText(file);
    await readText({ ...file, token: "hf_secret" });
    expect(seen).toEqual([undefined, "Bearer hf_secret"]);
  });
});
