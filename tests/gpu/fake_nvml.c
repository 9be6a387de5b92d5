/* A small libnvidia-ml.so.1 for tests: what it tells stands in the file named by FAKE_NVML.
 *
 * Lines of that file:
 *   error NUMBER                         every call answers this (nvml.h: 15 GPU lost, 9 driver not
 *                                        loaded, 999 unknown)
 *   lost GPU                             its handle is not to be had: GPU lost; the others answer
 *   hang SECONDS                         every reading of memory takes so long
 *   gpu TOTAL_MIB USED_MIB UTIL TEMP MW MIG
 *   process GPU PID USED_MIB             USED_MIB -1: the driver does not tell
 *   unsupported                          utilisation, temperature, power, processes: not supported
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, LOST = 15, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
#define MIB 1048576ULL
#define MANY 16

struct gpu { unsigned long long total, used; unsigned util, temp, power, mig; };
struct process { unsigned gpu, pid; long long used; };
struct world {
    int error, unsupported; unsigned hang, lost;
    unsigned gpus, processes;
    struct gpu gpu[MANY];
    struct process process[MANY];
};

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process_t;

static struct world look(void) {
    struct world w;
    char line[256];
    memset(&w, 0, sizeof w);
    const char *name = getenv("FAKE_NVML");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (!file) return w;
    while (fgets(line, sizeof line, file)) {
        struct gpu g; struct process p;
        if (sscanf(line, "error %d", &w.error) == 1) continue;
        if (sscanf(line, "hang %u", &w.hang) == 1) continue;
        unsigned lost;
        if (sscanf(line, "lost %u", &lost) == 1) { w.lost |= 1U << lost; continue; }
        if (!strncmp(line, "unsupported", 11)) { w.unsupported = 1; continue; }
        if (w.gpus < MANY && sscanf(line, "gpu %llu %llu %u %u %u %u", &g.total, &g.used, &g.util,
                                    &g.temp, &g.power, &g.mig) == 6)
            w.gpu[w.gpus++] = g;
        else if (w.processes < MANY &&
                 sscanf(line, "process %u %u %lld", &p.gpu, &p.pid, &p.used) == 3)
            w.process[w.processes++] = p;
    }
    fclose(file);
    return w;
}

/* A handle is the index plus one. */
static unsigned of(void *handle) { return (unsigned)(size_t)handle - 1; }

#define BEGIN struct world w = look(); if (w.error) return w.error
#define OPTIONAL BEGIN; if (w.unsupported) return NOT_SUPPORTED

int nvmlInitWithFlags(unsigned flags) { (void)flags; BEGIN; return OK; }
int nvmlInit_v2(void) { BEGIN; return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) {
    return code == LOST ? "GPU is lost" : code == 9 ? "Driver Not Loaded" : "Unknown Error";
}
int nvmlDeviceGetCount_v2(unsigned *count) { BEGIN; *count = w.gpus; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    BEGIN;
    if (index >= w.gpus) return NOT_FOUND;
    if (w.lost >> index & 1) return LOST;
    *handle = (void *)(size_t)(index + 1);
    return OK;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned length) {
    BEGIN;
    snprintf(text, length, "GPU-0000000%u-fake", of(handle));
    return OK;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned length) {
    BEGIN;
    snprintf(text, length, "Fake GPU %u", of(handle));
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, memory_t *memory) {
    BEGIN;
    if (w.hang) sleep(w.hang);
    struct gpu g = w.gpu[of(handle)];
    memory->total = g.total * MIB;
    memory->used = g.used * MIB;
    memory->free = (g.total - g.used) * MIB;
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *handle, utilization_t *rates) {
    OPTIONAL;
    rates->gpu = w.gpu[of(handle)].util;
    rates->memory = 0;
    return OK;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
    (void)sensor;
    OPTIONAL;
    *celsius = w.gpu[of(handle)].temp;
    return OK;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    OPTIONAL;
    *milliwatts = w.gpu[of(handle)].power;
    return OK;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    OPTIONAL;
    *current = *pending = w.gpu[of(handle)].mig;
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process_t *list) {
    OPTIONAL;
    unsigned found = 0, room = list ? *count : 0;
    for (unsigned i = 0; i < w.processes; i++) {
        if (w.process[i].gpu != of(handle)) continue;
        if (found < room) {
            list[found].pid = w.process[i].pid;
            list[found].used = w.process[i].used < 0 ? ~0ULL
                                                     : (unsigned long long)w.process[i].used * MIB;
            list[found].gi = list[found].ci = ~0U;
        }
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : OK;
}
