/*
 * version: which Chasqui this is, for people, User-Agent and /metrics.  Regions and files have
 * layouts of their own.
 */
#ifndef SHM_VERSION_H
#define SHM_VERSION_H

#define CHASQUI_VERSION "0.1.0"

#endif
