/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of the Ethernet captures in a folder. */
#ifndef WEIR_TEST_CLASSIFY_CAPTURES_H
#define WEIR_TEST_CLASSIFY_CAPTURES_H

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

static inline void
capture_each(const char *path, void (*frame)(const uint8_t *frame, uint32_t bytes))
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, why);
	struct pcap_pkthdr header;
	const uint8_t *bytes;

	if (capture == NULL)
		return;
	while (pcap_datalink(capture) == DLT_EN10MB && (bytes = pcap_next(capture, &header)) != NULL)
		frame(bytes, header.caplen);
	pcap_close(capture);
}

/* In the order of their names, so that a seed means the same everywhere. No folder, no frames. */
static inline void
captures_each(const char *folder, void (*frame)(const uint8_t *frame, uint32_t bytes))
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (strstr(entries[i]->d_name, ".pcap") != NULL)
			capture_each(path, frame);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

#endif
