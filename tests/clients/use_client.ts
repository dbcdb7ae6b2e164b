// Uses openapi-fetch with the types that openapi-typescript has generated; tsc checks it, and a service answers.
// usage: node use_client.js URL TOKEN

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Todo = components["schemas"]["Todo"];
const [baseUrl, token] = process.argv.slice(2);
assert(baseUrl);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

async function useTodos(): Promise<void> {
  const { data: created } = await client.POST("/v1/todo", { body: { title: "Buy milk", description: null } });
  assert(created);
  const todo: Todo = created;

  const { data: page } = await client.GET("/v1/todo", { params: { query: { title: "Buy milk", per_page: 5 } } });
  assert(page);
  const total: number = page.total;
  assert.deepEqual([total, page.items], [1, [todo]]);

  const path = { todo_id: todo.id };
  const { data: changed } = await client.PATCH("/v1/todo/{todo_id}", { params: { path }, body: { completed: true } });
  assert(changed?.completed);
  const changedAt: string | null = changed.updated_at;
  assert(changedAt);

  const { response } = await client.DELETE("/v1/todo/{todo_id}", { params: { path } });
  assert.equal(response.status, 204);
}

async function meetErrors(): Promise<void> {
  const { error: missing } = await client.GET("/v1/todo/{todo_id}", { params: { path: { todo_id: 1 } } });
  assert(missing);
  assert.deepEqual([missing.status, missing.error_message], [404, "The requested todo was not found"]);

  const { error: refused } = await client.POST("/v1/todo", { body: { title: " " } });
  assert(refused && typeof refused.error_message !== "string");
  const reason: string | undefined = refused.error_message["title"];
  assert(reason);

  const body = { title: "Pay the rent" };
  const { data: first } = await client.POST("/v1/todo", { body });
  const { error: conflict } = await client.POST("/v1/todo", { body });
  assert(first);
  assert.equal(conflict?.status, 409);
}

async function meetAMaintenanceWindow(): Promise<void> {
  const opened = await client.PATCH("/v1/service-context", { body: { maintenance: true } });
  assert.equal(opened.response.headers.get("ETag"), `"${opened.data?.version}"`);

  const { error, response } = await client.GET("/v1/todo");
  assert.equal(response.status, 503);
  assert(error && "since" in error);
  const since: string | null = error.since;
  assert.equal(since, opened.data?.since);

  const ended = await client.PATCH("/v1/service-context", { body: { maintenance: false } });
  assert.equal(ended.data?.maintenance, false);
}

await useTodos();
await meetErrors();
await meetAMaintenanceWindow();
