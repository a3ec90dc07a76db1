import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { i18n } from './i18n/i18n.svelte.js';
import { start } from './router.svelte.js';
import { chain } from './state/chain.svelte.js';
import { preferences } from './state/preferences.svelte.js';

preferences.apply();
start();
chain.start();
await i18n.start();
mount(App, { target: document.getElementById('app')! });
