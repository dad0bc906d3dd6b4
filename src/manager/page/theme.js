/* SPDX-License-Identifier: Apache-2.0 */
/* Before the first paint: the theme that was chosen here, or the system's. */
'use strict';
try {
  const theme = localStorage.getItem('quoin-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* Storage is switched off: the system's theme it is. */ }
