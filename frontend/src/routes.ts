/** Which page stands where. Each pattern stands in routes.json too, which the server reads. A page is loaded when it is first gone to. */
import type { Component } from 'svelte';
import type { Catalogue } from './i18n/i18n.svelte.js';
import Home from './pages/Home.svelte';

export interface Route {
  readonly pattern: string; // the path
  readonly load: () => Promise<Component>;
  readonly nav?: keyof Catalogue['nav']; // its word in the navigation
  readonly title?: (t: Catalogue) => string; // of the window, where that is another
  readonly key?: string; // goes there after a g
  readonly foot?: boolean; // which stands at the foot of the page
}

export const routes: readonly Route[] = [
  { pattern: '/', load: async () => Home, nav: 'home', key: 'h' },
  { pattern: '/name', load: async () => (await import('./pages/Name.svelte')).default, nav: 'name', key: 'n' },
  { pattern: '/found', load: async () => (await import('./pages/Found.svelte')).default, title: (t) => t.found.title },
  { pattern: '/nodes', load: async () => (await import('./pages/Nodes.svelte')).default, nav: 'nodes', key: 'o' },
  { pattern: '/node', load: async () => (await import('./pages/Node.svelte')).default, title: (t) => t.node.title },
  { pattern: '/names', load: async () => (await import('./pages/Names.svelte')).default, nav: 'names', key: 'a' },
  { pattern: '/owner', load: async () => (await import('./pages/Owner.svelte')).default, title: (t) => t.owner.title },
  { pattern: '/events', load: async () => (await import('./pages/Log.svelte')).default, nav: 'events', key: 'e' },
  { pattern: '/reorgs', load: async () => (await import('./pages/Reorgs.svelte')).default, title: (t) => t.reorgs.title },
  { pattern: '/choose', load: async () => (await import('./pages/Choose.svelte')).default, nav: 'choose', key: 'c' },
  { pattern: '/paths', load: async () => (await import('./pages/Paths.svelte')).default, nav: 'paths', key: 'p' },
  { pattern: '/swarms', load: async () => (await import('./pages/Swarms.svelte')).default, nav: 'swarms', key: 's' },
  { pattern: '/network', load: async () => (await import('./pages/Network.svelte')).default, nav: 'network', key: 'w' },
  { pattern: '/status', load: async () => (await import('./pages/Status.svelte')).default, nav: 'status', key: 't', foot: true },
  { pattern: '/privacy', load: async () => (await import('./pages/Privacy.svelte')).default, nav: 'privacy', key: 'y', foot: true },
  { pattern: '/data', load: async () => (await import('./pages/Data.svelte')).default, nav: 'data', key: 'd', foot: true },
  { pattern: '/api', load: async () => (await import('./pages/API.svelte')).default, nav: 'api', key: 'i', foot: true },
];
