/* The words of emlearn's eml_common.h that its networks need; the original wants files and a console. */
#ifndef EML_COMMON_H
#define EML_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum _EmlError {
  EmlOk = 0,
  EmlSizeMismatch,
  EmlUnsupported,
  EmlUninitialized,
  EmlPostconditionFailed,
  EmlUnknownError
} EmlError;

#define EML_PRECONDITION(condition, error) do { if (!(condition)) return (error); } while (0)
#define EML_POSTCONDITION(condition, error) EML_PRECONDITION(condition, error)
#define EML_CHECK_ERROR(expression) \
  do { EmlError found = (expression); if (found != EmlOk) return found; } while (0)

#endif
