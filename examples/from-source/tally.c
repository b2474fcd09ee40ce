#include <count.h>
#include <stdio.h>

/* Prints how many words its arguments have together. */
int main(int count, char **arguments) {
  int words = 0;
  for (int number = 1; number < count; number++)
    words += count_words(arguments[number]);
  printf("%d\n", words);
  return 0;
}
