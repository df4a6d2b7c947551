/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of the Ethernet captures in a folder. */
#ifndef WEIR_TEST_CLASSIFY_CAPTURES_H
#define WEIR_TEST_CLASSIFY_CAPTURES_H

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pcap/pcap.h>

/* No folder, no frames. */
static inline void
captures_each(const char *folder, void (*frame)(const uint8_t *frame, uint32_t bytes))
{
	DIR *dir = opendir(folder);
	char path[PATH_MAX], why[PCAP_ERRBUF_SIZE];
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const uint8_t *bytes;
		struct pcap_pkthdr header;
		pcap_t *capture;

		if (strstr(entry->d_name, ".pcap") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		capture = pcap_open_offline(path, why);
		while (capture != NULL && pcap_datalink(capture) == DLT_EN10MB &&
			(bytes = pcap_next(capture, &header)) != NULL)
			frame(bytes, header.caplen);
		if (capture != NULL)
			pcap_close(capture);
	}
	if (dir != NULL)
		closedir(dir);
}

#endif
