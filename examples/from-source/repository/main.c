#include <stdio.h>

#include "count.h"

/* Prints how many words each line of its input has. */
int main(void) {
  char line[4096];
  while (fgets(line, sizeof line, stdin))
    printf("%d %s", count_words(line), line);
  return 0;
}
