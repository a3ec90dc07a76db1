/** Which page stands where. Each pattern stands in routes.json too, which the server reads. A page is loaded when it is first gone to. */
import type { Component } from 'svelte';
import type { Catalogue } from './i18n/i18n.svelte.js';
import Home from './pages/Home.svelte';

export interface Route {
  readonly pattern: string; // a segment that begins with a colon is any
  readonly load: () => Promise<Component>;
  readonly nav?: keyof Catalogue['nav']; // its word in the navigation
}

export const routes: readonly Route[] = [
  { pattern: '/', load: async () => Home, nav: 'home' },
  { pattern: '/name', load: async () => (await import('./pages/Name.svelte')).default, nav: 'name' },
  { pattern: '/found', load: async () => (await import('./pages/Found.svelte')).default },
  { pattern: '/nodes', load: async () => (await import('./pages/Nodes.svelte')).default, nav: 'nodes' },
  { pattern: '/node', load: async () => (await import('./pages/Node.svelte')).default },
  { pattern: '/names', load: async () => (await import('./pages/Names.svelte')).default, nav: 'names' },
  { pattern: '/owner', load: async () => (await import('./pages/Owner.svelte')).default },
  { pattern: '/events', load: async () => (await import('./pages/Log.svelte')).default, nav: 'events' },
  { pattern: '/reorgs', load: async () => (await import('./pages/Reorgs.svelte')).default },
];
